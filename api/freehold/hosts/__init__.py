"""The machines that servers run on and packets leave from, as the inventory names them."""

from freehold.hosts.host import (
    ROUTES,
    RULES,
    Host,
    HostWish,
    all_hosts,
    register,
    write_facts,
)

__all__ = ["ROUTES", "RULES", "Host", "HostWish", "all_hosts", "register", "write_facts"]
