"""Members of a shared image: the owner offers it to a project, the project takes or refuses it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from freehold.access import Rule
from freehold.errors import Conflict, Forbidden, NotFound
from freehold.http import Call, Routes
from freehold.image.image import SHARED, Image, ImageMember, find_image, permitted_image
from freehold.image.image_request import Text, require_room
from freehold.image.image_wire import member_wire

OWN = "rule:admin_or_member"
SEEN = (
    "rule:admin_required or (role:reader and (project_id:%(project_id)s or "
    "project_id:%(member_id)s))"
)
RULES = [
    Rule("add_member", OWN, "POST /v2/images/{image_id}/members"),
    Rule("get_members", SEEN, "GET /v2/images/{image_id}/members"),
    Rule("get_member", SEEN, "GET /v2/images/{image_id}/members/{member_id}"),
    Rule(
        "modify_member",
        "rule:admin_required or (role:member and project_id:%(member_id)s)",
        "PUT /v2/images/{image_id}/members/{member_id}",
    ),
    Rule("delete_member", OWN, "DELETE /v2/images/{image_id}/members/{member_id}"),
]
MAX_MEMBERS = 128


class NewMember(BaseModel):
    """Body of ``POST …/members``; as in glance, what else is in it does not matter."""

    model_config = ConfigDict(extra="ignore")

    member: Text


class MemberStatus(BaseModel):
    """Body of ``PUT …/members/{member_id}``; clients repeat the member's id in it."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["pending", "accepted", "rejected"]


def add_member(call: Call, image_id: str, body: NewMember) -> dict[str, Any]:
    """Offer the image to a project."""
    image = _shared(permitted_image(call, image_id, "add_member"))
    if call.session.get(ImageMember, (image.id, body.member)) is not None:
        raise Conflict(f"The target member {body.member} is already associated with this image.")
    require_room(len(image.members) + 1, MAX_MEMBERS, "members")
    member = ImageMember(
        member_id=body.member, status="pending", created_at=call.now, updated_at=call.now
    )
    image.members.append(member)
    call.session.flush()
    call.audit("add_member", "image", image.id, member=body.member)
    return member_wire(member)


def list_members(call: Call, image_id: str) -> dict[str, Any]:
    """All members for the image's owner, oneself for a member."""
    image = _shared(permitted_image(call, image_id, "get_members"))
    members = [member_wire(member) for member in image.members if _sees(call, image, member)]
    return {"members": members, "schema": "/v2/schemas/members"}


def show_member(call: Call, image_id: str, member_id: str) -> dict[str, Any]:
    """One member."""
    image = _shared(permitted_image(call, image_id, "get_member"))
    return member_wire(_found(call, image, member_id))


def update_member(call: Call, image_id: str, member_id: str, body: MemberStatus) -> dict[str, Any]:
    """Take or refuse an image; only the member itself may."""
    image = _shared(find_image(call.session, call.caller, image_id, lock=True))
    member = _found(call, image, member_id)
    call.enforce("modify_member", {"member_id": member_id, "project_id": image.owner or ""})
    member.status = body.status
    member.updated_at = call.now
    call.audit("update_member", "image", image.id, member=member_id, status=body.status)
    return member_wire(member)


def remove_member(call: Call, image_id: str, member_id: str) -> None:
    """Take the offer back."""
    image = _shared(permitted_image(call, image_id, "delete_member"))
    call.session.delete(_member(call.session, image, member_id))
    call.audit("remove_member", "image", image.id, member=member_id)


def _shared(image: Image) -> Image:
    if image.visibility != SHARED:
        raise Forbidden("Only shared images have members.")
    return image


def _sees(call: Call, image: Image, member: ImageMember) -> bool:
    mine = call.caller.project_id
    return call.caller.is_admin or mine in (image.owner, member.member_id)


def _found(call: Call, image: Image, member_id: str) -> ImageMember:
    member = _member(call.session, image, member_id)
    if not _sees(call, image, member):
        raise _unknown(image, member_id)
    return member


def _member(session: Session, image: Image, member_id: str) -> ImageMember:
    member = session.get(ImageMember, (image.id, member_id))
    if member is None:
        raise _unknown(image, member_id)
    return member


def _unknown(image: Image, member_id: str) -> NotFound:
    return NotFound(f"{member_id} not found in the member list of the image {image.id}.")


def routes(table: Routes) -> None:
    """Add the routes of members."""
    path = "/images/{image_id}/members"
    one = f"{path}/{{member_id}}"
    table.add("POST", path, add_member, policy="add_member")
    table.add("GET", path, list_members, policy="get_members")
    table.add("GET", one, show_member, policy="get_member")
    table.add("PUT", one, update_member, policy="get_image")
    table.add("DELETE", one, remove_member, policy="delete_member", status=204)
