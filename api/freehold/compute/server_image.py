"""The image that a server is made of: one that the caller may use and that fits the flavor."""

from __future__ import annotations

from freehold.access import Rule
from freehold.errors import BadRequest, Forbidden, NotFound
from freehold.http import Call
from freehold.image import Image, find_image

GIB = 1024**3
ZERO_DISK = "os_compute_api:servers:create:zero_disk_flavor"
RULES = [
    Rule(
        ZERO_DISK,
        "rule:admin_required",
        "Make a server's disk as large as its image, with a flavor of disk 0",
    )
]


def disk_gib(root_gib: int, image: Image) -> int:
    """How much of its host a server's disk may come to take; a flavor of 0 takes the image's."""
    return root_gib or -(-(image.virtual_size or 0) // GIB)


def usable_image(call: Call, image_id: str, memory_mib: int, root_gib: int) -> Image:
    """Find an image for a server with this much memory and disk.

    Raises:
        BadRequest: There is none, it has no data yet, or it needs more.
        Forbidden: The flavor has no size of its own, and an image has any that a tenant likes.
    """
    try:
        image = find_image(call.session, call.caller, image_id)
    except NotFound as error:
        raise BadRequest("Can not find requested image") from error
    if image.status != "active":
        raise BadRequest(f"Image {image_id} is not active.")
    if image.min_ram > memory_mib:
        raise BadRequest(
            f"Flavor's memory is too small for requested image: {memory_mib} MiB, the image "
            f"needs {image.min_ram}."
        )
    if root_gib == 0:
        # As nova does, where its own rule has its default.
        if not call.may(ZERO_DISK):
            raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
        return image
    needed_gib = max(image.min_disk, disk_gib(0, image))
    if needed_gib > root_gib:
        raise BadRequest(
            f"Flavor's disk is too small for requested image: {root_gib} GiB, the image "
            f"needs {needed_gib}."
        )
    return image
