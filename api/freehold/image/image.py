"""The tables of images, and finding one as a caller may see it.

An image's data never changes once it is there, and its id is never given again, so a host may keep
what it has fetched for as long as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, false, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from freehold.access import Caller
from freehold.errors import NotFound
from freehold.http import Call
from freehold.store import Base, new_id

QUEUED, SAVING, ACTIVE, DEACTIVATED = "queued", "saving", "active", "deactivated"
STATUSES = (QUEUED, SAVING, ACTIVE, DEACTIVATED)
PUBLIC, COMMUNITY, SHARED, PRIVATE = "public", "community", "shared", "private"
PENDING, ACCEPTED, REJECTED = "pending", "accepted", "rejected"
CHANGES = ("POST", "PUT", "PATCH", "DELETE")


class ImageTag(Base):
    """One tag of one image."""

    __tablename__ = "image_tags"

    image_id: Mapped[str] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(primary_key=True, index=True)


class ImageProperty(Base):
    """One property that glance's schema does not know, as its owner wrote it."""

    __tablename__ = "image_properties"

    image_id: Mapped[str] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    value: Mapped[str]


class ImageMember(Base):
    """A project that a shared image is shared with, and whether it wants it in its lists."""

    __tablename__ = "image_members"

    image_id: Mapped[str] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True
    )
    member_id: Mapped[str] = mapped_column(primary_key=True, index=True)
    status: Mapped[str] = mapped_column(default=PENDING)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DeletedImage(Base):
    """An id that was an image once. Hosts and servers remember ids, so it is never given again."""

    __tablename__ = "deleted_images"

    id: Mapped[str] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime]


class Image(Base):
    """One image.

    Attributes:
        owner: The project it belongs to.
        status: ``queued``, ``saving``, ``active`` or ``deactivated``; tenants get ``shown_status``.
        upload_id: The upload that may finish it; another one that comes late may not.
        upload_until: When that upload counts as dead unless it is heard of again. So an upload
            whose process was killed leaves the image ``queued``, with nothing to mend.
        size, virtual_size: In bytes; None before there is data.
        checksum, os_hash_value: MD5 and SHA-512 in hex.
    """

    __tablename__ = "images"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str | None] = mapped_column(index=True)
    name: Mapped[str | None] = mapped_column(index=True)
    visibility: Mapped[str] = mapped_column(default=SHARED, index=True)
    protected: Mapped[bool] = mapped_column(default=False)
    os_hidden: Mapped[bool] = mapped_column(default=False)
    container_format: Mapped[str | None]
    disk_format: Mapped[str | None]
    min_disk: Mapped[int] = mapped_column(default=0)
    min_ram: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(default=QUEUED)
    upload_id: Mapped[str | None]
    upload_until: Mapped[datetime | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    virtual_size: Mapped[int | None] = mapped_column(BigInteger)
    checksum: Mapped[str | None]
    os_hash_algo: Mapped[str | None]
    os_hash_value: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]

    tag_rows: Mapped[list[ImageTag]] = relationship(
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by=ImageTag.tag,
    )
    property_rows: Mapped[list[ImageProperty]] = relationship(
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by=ImageProperty.name,
    )
    members: Mapped[list[ImageMember]] = relationship(
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by=ImageMember.created_at,
    )

    @property
    def tags(self) -> list[str]:
        """Its tags in order."""
        return [row.tag for row in self.tag_rows]

    @property
    def properties(self) -> dict[str, str]:
        """Its free properties by name."""
        return {row.name: row.value for row in self.property_rows}

    @property
    def has_data(self) -> bool:
        """Whether its data lies in the store."""
        return self.status in (ACTIVE, DEACTIVATED)

    def shown_status(self, now: datetime) -> str:
        """Its status for tenants: an upload that went silent is none."""
        silent = self.upload_until is None or self.upload_until <= now
        return QUEUED if self.status == SAVING and silent else self.status

    def is_shared_with(self, project_id: str | None) -> bool:
        """Whether the project is a member of this shared image."""
        return self.visibility == SHARED and any(
            member.member_id == project_id for member in self.members
        )

    def policy_target(self, caller: Caller) -> Mapping[str, Any]:
        """What policy rules about it look at. An empty project is no caller's project."""
        is_member = self.is_shared_with(caller.project_id)
        return {
            "project_id": self.owner or "",
            "owner": self.owner or "",
            "visibility": self.visibility,
            "member_id": caller.project_id if is_member else "",
        }


def visible_to(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: images that the caller may know of by their id."""
    if caller.is_admin:
        return true()
    return or_(
        Image.visibility.in_((PUBLIC, COMMUNITY)),
        owned_by(caller),
        shared_with(caller),
    )


def owned_by(caller: Caller) -> ColumnElement[bool]:
    """SQL condition: images of the caller's project."""
    return false() if caller.project_id is None else Image.owner == caller.project_id


def shared_with(caller: Caller, member_status: str | None = None) -> ColumnElement[bool]:
    """SQL condition: shared images that the caller's project is a member of, in this status."""
    if caller.project_id is None:
        return false()
    member = ImageMember.member_id == caller.project_id
    if member_status is not None:
        member &= ImageMember.status == member_status
    return (Image.visibility == SHARED) & Image.members.any(member)


def find_image(session: Session, caller: Caller, image_id: str, *, lock: bool = False) -> Image:
    """The image, if the caller may know of it; ``lock`` holds it until the transaction ends.

    Raises:
        NotFound: There is none that the caller may see.
    """
    statement = select(Image).where(Image.id == image_id.lower(), visible_to(caller))
    if lock:
        statement = statement.with_for_update(of=Image)
    image = session.scalar(statement)
    if image is None:
        raise NotFound(f"Failed to find image {image_id}")
    return image


def permitted_image(call: Call, image_id: str, rule: str) -> Image:
    """The image, if the caller may do ``rule`` on it; locked against others when the call writes.

    Raises:
        NotFound: There is none that the caller may see.
        Forbidden: They see it, but policy says no.
    """
    writes = call.request.method in CHANGES
    image = find_image(call.session, call.caller, image_id, lock=writes)
    call.enforce(rule, image.policy_target(call.caller))
    return image
