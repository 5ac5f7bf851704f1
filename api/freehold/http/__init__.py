"""How every OpenStack API looks: operations, faults, lists, versions, request ids. Knows no
resource.
"""

from freehold.http.listing import Listing, Page, SortKey
from freehold.http.operation import Call, Later, Reply, Routes, transact
from freehold.http.version_documents import version_routes
from freehold.http.versions import ApiVersion, Microversion

__all__ = [
    "ApiVersion",
    "Call",
    "Later",
    "Listing",
    "Microversion",
    "Page",
    "Reply",
    "Routes",
    "SortKey",
    "transact",
    "version_routes",
]
