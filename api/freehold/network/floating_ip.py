"""Floating IPs as rows: an address of an external network that leads to a port."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from freehold.jobs import Converged
from freehold.network.standard import Standard, converge
from freehold.store import Base


class FloatingIp(Standard, Converged, Base):
    """One floating IP.

    Attributes:
        floating_port_id: The port on the external network that holds the address.
        port_id, fixed_ip_address, router_id: Where it leads; all None while it leads nowhere.
    """

    __tablename__ = "floating_ips"

    floating_network_id: Mapped[str] = mapped_column(index=True)
    floating_port_id: Mapped[str]
    floating_ip_address: Mapped[str] = mapped_column(index=True)
    port_id: Mapped[str | None] = mapped_column(index=True)
    fixed_ip_address: Mapped[str | None]
    router_id: Mapped[str | None] = mapped_column(index=True)

    __table_args__ = (Index("ix_floating_ips_unsettled", "satisfied", "generation"),)

    @property
    def status(self) -> str:
        """As the API reference has it."""
        if self.fault:
            return "ERROR"
        return "ACTIVE" if self.port_id and self.settled else "DOWN"


def disassociate(session: Session, port_id: str, now: datetime, address: str | None = None) -> None:
    """Let every floating IP of a port, or of one of its addresses, lead nowhere: it goes."""
    statement = select(FloatingIp).where(
        FloatingIp.port_id == port_id, FloatingIp.removed.is_(False)
    )
    if address is not None:
        statement = statement.where(FloatingIp.fixed_ip_address == address)
    for row in session.scalars(statement):
        row.port_id = row.fixed_ip_address = row.router_id = None
        row.touch(now)
        converge(session, row, now)
