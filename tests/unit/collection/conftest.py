"""Makes the collection importable as Ansible imports it, from this checkout."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]

sys.path.insert(0, str(CHECKOUT / "collections"))
