"""Measurements: `make bench`. ``api`` asks one service for all it can answer; what needs machines
measures on the lab. Nothing here runs in CI but the tests of the harness itself.
"""
