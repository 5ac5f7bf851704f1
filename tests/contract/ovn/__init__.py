"""The logical network against a real ovsdb-server and ovn-northd, as a plain process each."""
