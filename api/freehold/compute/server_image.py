"""The image that a server is made of: one that the caller may use and that fits the flavor."""

from __future__ import annotations

from freehold.errors import BadRequest, NotFound
from freehold.http import Call
from freehold.image import Image, find_image

GIB = 1024**3


def usable_image(call: Call, image_id: str, memory_mib: int, root_gib: int) -> Image:
    """Find an image for a server with this much memory and disk.

    Raises:
        BadRequest: There is none, it has no data yet, or it needs more.
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
    unpacked = -(-(image.virtual_size or 0) // GIB)
    if root_gib and max(image.min_disk, unpacked) > root_gib:
        raise BadRequest(
            f"Flavor's disk is too small for requested image: {root_gib} GiB, the image "
            f"needs {max(image.min_disk, unpacked)}."
        )
    return image
