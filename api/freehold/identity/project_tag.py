"""Tags of a project: simple words to find projects by (API reference, "Project tags")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from sqlalchemy import ForeignKey, Select, bindparam, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from freehold.identity.attributes import Name255
from freehold.store import Base

MAX_TAGS = 80
MAX_NAMED = 500
"""More projects than this are not named in a query: all tags are read instead."""


def _tag(text: str) -> str:
    if "," in text or "/" in text:
        raise ValueError("must not contain a comma or a slash")
    return text


Tag = Annotated[Name255, AfterValidator(_tag)]
TagList = Annotated[list[Tag], Field(max_length=MAX_TAGS)]


class ProjectTag(Base):
    """One word on one project."""

    __tablename__ = "project_tags"

    project_id: Mapped[str] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


_ALL = select(ProjectTag.project_id, ProjectTag.tag).order_by(ProjectTag.tag)
_OF = _ALL.where(ProjectTag.project_id.in_(bindparam("ids", expanding=True)))


def tags_of(session: Session, project_ids: Sequence[str]) -> dict[str, list[str]]:
    """Tags by project, sorted; one query."""
    tags: dict[str, list[str]] = {}
    if not project_ids:
        return tags
    few = len(project_ids) <= MAX_NAMED
    rows = session.execute(_OF, {"ids": project_ids}) if few else session.execute(_ALL)
    for project_id, tag in rows:
        tags.setdefault(project_id, []).append(tag)
    return tags


def set_tags(session: Session, project_id: str, tags: Sequence[str]) -> None:
    """Let the project have exactly these tags."""
    session.execute(delete(ProjectTag).where(ProjectTag.project_id == project_id))
    session.add_all(ProjectTag(project_id=project_id, tag=tag) for tag in sorted(set(tags)))
    session.flush()


def filter_by_tags(
    statement: Select[Any], project_id: InstrumentedAttribute[str], params: Mapping[str, str]
) -> Select[Any]:
    """Apply ``tags`` (all of), ``tags-any``, ``not-tags``, ``not-tags-any``."""
    for name, every, negated in (
        ("tags", True, False),
        ("tags-any", False, False),
        ("not-tags", True, True),
        ("not-tags-any", False, True),
    ):
        words = {word for word in params.get(name, "").split(",") if word}
        if not words:
            continue
        having = (
            select(ProjectTag.project_id)
            .where(ProjectTag.tag.in_(words))
            .group_by(ProjectTag.project_id)
            .having(func.count() >= (len(words) if every else 1))
        )
        statement = statement.where(
            project_id.not_in(having) if negated else project_id.in_(having)
        )
    return statement
