"""The audit trail: who asked for what, with which result, in the request's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from freehold.store import Base


class AuditRecord(Base):
    """One accepted change; rows are only ever added."""

    __tablename__ = "audit_records"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    request_id: Mapped[str]
    user_id: Mapped[str | None]
    project_id: Mapped[str | None] = mapped_column(index=True)
    action: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[str] = mapped_column(index=True)
    facts: Mapped[dict[str, Any]]
