"""The command line as a process of its own, as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GPUDECK = (sys.executable, "-m", "console.cli")
_PATIENCE = 90


def gpudeck(*words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, with these variables in the environment beside our own; ``typed`` is its standard input."""
    return subprocess.run(
        [*GPUDECK, *words],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        cwd=ROOT,
        input=typed,
        env={**os.environ, **environment},
        check=False,
    )
