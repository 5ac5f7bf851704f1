"""Freehold: a thin OpenStack-speaking service that turns wants into Ansible runs."""
