from __future__ import annotations

import sys
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[3] / "roles/web2py/files/runtime"
sys.path.insert(0, str(RUNTIME))
