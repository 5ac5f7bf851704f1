"""How every OpenStack API looks: operations, faults, lists, versions, request ids. Knows no
resource.
"""

from freehold.http.body import Number, Whole
from freehold.http.call import Call, Later, Reply, transact
from freehold.http.listing import Listing, Page, SortKey
from freehold.http.operation import Routes
from freehold.http.version_documents import VersionDocument, version_routes
from freehold.http.versions import ApiVersion, Microversion

__all__ = [
    "ApiVersion",
    "Call",
    "Later",
    "Listing",
    "Microversion",
    "Number",
    "Page",
    "Reply",
    "Routes",
    "SortKey",
    "VersionDocument",
    "Whole",
    "transact",
    "version_routes",
]
