"""Write the pages of `docs/` that are made from gpudeck itself: ``python -m console.reference [DIR]``."""

from __future__ import annotations

import sys
from pathlib import Path

from console.reference.pages import PAGES

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs"
for name, made in PAGES.items():
    (folder / name).write_text(made(), encoding="utf-8")
