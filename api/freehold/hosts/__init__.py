"""The machines that servers run on and packets leave from, as the operator's inventory names them."""

from freehold.hosts.host import ROUTES, RULES, Host, all_hosts, register, write_facts

__all__ = ["ROUTES", "RULES", "Host", "all_hosts", "register", "write_facts"]
