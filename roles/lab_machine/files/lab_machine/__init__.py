"""Machines of the lab: systemd-nspawn containers that behave like hosts of a data centre.

Called by the role ``lab_machine`` and by people (``python3 -m lab_machine --help``). Plain Python
of the standard library, because it runs before anything else is there, and one supervisor of it
stays alive per machine. It knows nothing of Ansible and nothing of the cloud that roles put onto
the machines.
"""
