"""Requests per second and their times, row by row beside a real OpenStack's."""
