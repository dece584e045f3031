"""Whether there is a terminal to draw on."""

from __future__ import annotations

import os
import sys

from fleet.errors import UsageError


def is_drawable() -> bool:
    """Whether the console could be drawn and read here."""
    streams = (sys.stdin, sys.stdout, sys.stderr)  # Textual draws on standard error
    return all(stream.isatty() for stream in streams) and os.environ.get("TERM", "dumb") != "dumb"


def require_terminal() -> None:
    """Raises UsageError where the console could not be drawn or read."""
    if not is_drawable():
        raise UsageError(
            "This needs a terminal that can move its cursor, and here is none.",
            "Use `gpudeck status` for plain text or --json, `gpudeck --plain` for a console in lines.",
        )
