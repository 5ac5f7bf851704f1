"""Which host a server goes to: filters, then weights, over sums of rows. Pure; knows no session.

The claim is the server's own row, written in the transaction that chose (``store.lock("hosts")``
first), so nothing can be claimed and forgotten.
"""

from freehold.compute.placement.place import Choice, choose, place
from freehold.compute.placement.room import Request, Room, room_of

__all__ = ["Choice", "Request", "Room", "choose", "place", "room_of"]
