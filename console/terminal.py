"""Whether there is a terminal to draw on."""

from __future__ import annotations

import os
import sys

from fleet.errors import UsageError


def require_terminal() -> None:
    """Raises UsageError where the console could not be drawn or read."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):  # Textual draws on standard error
        raise UsageError(
            "The console needs a terminal, and this is none.",
            "Use `gpudeck status` for plain text or --json.",
        )
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "TERM says this terminal cannot move its cursor.",
            "Use `gpudeck status` for plain text or --json.",
        )
