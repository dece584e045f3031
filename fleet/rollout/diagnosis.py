"""The sentence in which an engine says why it did not start, found in its log."""

from __future__ import annotations

import re

from fleet.text import clean_lines

_RAISED = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception)): (?P<said>\S.*)")
_FAILED = re.compile(r"(?:failed to|unable to|cannot|could not) .*", re.IGNORECASE)
_ECHOES = ("Engine core initialization failed", "Failed core proc", "Engine process failed to start")
"""What a parent process says when its child has said why."""


def why(log: str, limit: int = 600) -> str:
    """The engine's own sentence; empty where its log has none.

    Newest first: an exception's text is better than a plain line about a failure, and no echo counts.
    """
    lines = clean_lines(log, limit=limit)
    said = [line for line in reversed(lines) if not any(echo in line for echo in _ECHOES)]
    for line in said:
        match = _RAISED.search(line)
        if match:
            return f"{match[1]}: {match['said']}"
    return next((line.strip() for line in said if _FAILED.search(line)), "")
