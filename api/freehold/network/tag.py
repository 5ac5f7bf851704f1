"""Tags: words that a tenant puts on resources and finds them by (extension standard-attr-tag)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from freehold.errors import BadRequest, NotFound
from freehold.http import Call, Reply, Routes
from freehold.network.request import Strict
from freehold.store import OWNERS, Base, related

MAXIMUM = 50
MAX_LENGTH = 255
FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
"""Has all, has one at least, lacks one at least, has none of the named tags."""


class Tag(Base):
    """One tag of one resource, whatever its kind: ids are unique among all."""

    __tablename__ = "network_tags"

    resource_id: Mapped[str] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


def _word(text: str) -> str:
    if not 0 < len(text) <= MAX_LENGTH or any(mark in text for mark in ",/\0"):
        raise ValueError(f"a tag has 1 to {MAX_LENGTH} characters and neither ',' nor '/'")
    return text


class Tags(Strict):
    """Body of PUT."""

    tags: list[Annotated[str, AfterValidator(_word)]] = Field(max_length=MAXIMUM)


_TAGS = select(Tag.resource_id, Tag.tag).where(Tag.resource_id.in_(OWNERS)).order_by(Tag.tag)


def tags_of(session: Session, resource_ids: Sequence[str]) -> dict[str, list[str]]:
    """The tags of resources in one query; those without any are left out."""
    rows = related(session, _TAGS, resource_ids)
    return {resource_id: [tag for _, tag in tags] for resource_id, tags in rows.items()}


def forget_tags(session: Session, resource_id: str) -> None:
    """The resource goes, and its tags with it."""
    session.execute(delete(Tag).where(Tag.resource_id == resource_id))


def tag_filter(
    id_: InstrumentedAttribute[str], name: str, values: Sequence[str]
) -> ColumnElement[bool]:
    """SQL condition of one of ``FILTERS``; ``values`` are as in the query, split at commas."""
    words = {word for value in values for word in value.split(",")}
    tagged = select(Tag.resource_id).where(Tag.tag.in_(words))
    if name.removeprefix("not-") == "tags":
        tagged = tagged.group_by(Tag.resource_id).having(func.count() == len(words))
    return id_.not_in(tagged) if name.startswith("not-") else id_.in_(tagged)


def tag_routes(table: Routes, collection: str, find_row: Callable[[Call, str], Any]) -> None:
    """Serve ``/{collection}/{id}/tags`` and ``…/tags/{tag}``.

    Args:
        find_row: The resource with this id that the caller may see; raises NotFound.
    """
    rule = collection.removesuffix("s").replace("-", "_")

    def changed(call: Call, resource_id: str) -> Any:
        row = find_row(call, resource_id)
        call.enforce(f"update_{rule}", {"project_id": row.project_id})
        row.touch(call.now)
        call.audit("tag", rule, resource_id)
        return row

    def show_tags(call: Call, resource_id: str) -> dict[str, Any]:
        """The tags of a resource."""
        find_row(call, resource_id)
        return {"tags": tags_of(call.session, [resource_id]).get(resource_id, [])}

    def put_tags(call: Call, resource_id: str, body: Tags) -> dict[str, Any]:
        """These tags and no others."""
        changed(call, resource_id)
        forget_tags(call.session, resource_id)
        words = sorted(set(body.tags))
        call.session.add_all(Tag(resource_id=resource_id, tag=word) for word in words)
        return {"tags": words}

    def delete_tags(call: Call, resource_id: str) -> None:
        """No tags."""
        changed(call, resource_id)
        forget_tags(call.session, resource_id)

    def show_tag(call: Call, resource_id: str, tag: str) -> None:
        """Whether the resource has the tag."""
        find_row(call, resource_id)
        _found(call, resource_id, tag)

    def put_tag(call: Call, resource_id: str, tag: str) -> Reply:
        """One tag more."""
        changed(call, resource_id)
        known = tags_of(call.session, [resource_id]).get(resource_id, [])
        if tag not in known:
            _require_good([*known, tag])
            call.session.add(Tag(resource_id=resource_id, tag=tag))
        return Reply(None, 201)

    def delete_tag(call: Call, resource_id: str, tag: str) -> None:
        """One tag less."""
        changed(call, resource_id)
        call.session.delete(_found(call, resource_id, tag))

    path = f"/{collection}/{{resource_id}}/tags"
    for method, where, function, status in (
        ("GET", path, show_tags, 200),
        ("PUT", path, put_tags, 200),
        ("DELETE", path, delete_tags, 204),
        ("GET", path + "/{tag}", show_tag, 204),
        ("PUT", path + "/{tag}", put_tag, 201),
        ("DELETE", path + "/{tag}", delete_tag, 204),
    ):
        verb = "get" if method == "GET" else "update"
        table.add(
            method, where, function, policy=f"{verb}_{rule}", status=status, empty=status == 201
        )


def _require_good(tags: list[str]) -> None:
    try:
        Tags(tags=tags)
    except ValidationError as error:
        raise BadRequest(f"Invalid tags: {error.errors()[0]['msg']}") from error


def _found(call: Call, resource_id: str, tag: str) -> Tag:
    row = call.session.get(Tag, (resource_id, tag))
    if row is None:
        raise NotFound(f"Tag {tag} could not be found.", kind="TagNotFound")
    return row
