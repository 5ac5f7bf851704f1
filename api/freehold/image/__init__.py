"""Image API v2: what disks of servers are made from, and how hosts get it.

Compute finds images as its caller sees them (``find_image``, ``find_images``), puts them into host
documents (``document_entries``, ``upload_link``), and makes and abandons images of servers; it
knows no other thing of this room.
"""

from freehold.access import Rule
from freehold.http import Routes
from freehold.image.discovery import routes as discovery_routes
from freehold.image.host_copy import TABLE as HOST_TABLE
from freehold.image.host_copy import document_entries, upload_link
from freehold.image.image import Image, find_image, permitted_image
from freehold.image.image_data import RULES as DATA_RULES
from freehold.image.image_data import routes as data_routes
from freehold.image.image_list import RULES as LIST_RULES
from freehold.image.image_list import find_images
from freehold.image.image_list import routes as list_routes
from freehold.image.image_operations import RULES as IMAGE_RULES
from freehold.image.image_operations import abandon_image, create_image, delete_image
from freehold.image.image_operations import routes as image_routes
from freehold.image.member import RULES as MEMBER_RULES
from freehold.image.member import routes as member_routes
from freehold.image.schema import routes as schema_routes
from freehold.image.tag import routes as tag_routes
from freehold.image.version import TABLE, VERSION_ROUTES

for _add in (
    image_routes,
    list_routes,
    data_routes,
    member_routes,
    tag_routes,
    schema_routes,
    discovery_routes,
):
    _add(TABLE)

ROUTES: list[Routes] = [TABLE, VERSION_ROUTES, HOST_TABLE]
RULES: list[Rule] = [*IMAGE_RULES, *LIST_RULES, *DATA_RULES, *MEMBER_RULES]

__all__ = [
    "ROUTES",
    "RULES",
    "Image",
    "abandon_image",
    "create_image",
    "delete_image",
    "document_entries",
    "find_image",
    "find_images",
    "permitted_image",
    "upload_link",
]
