"""The sentence in which an engine says why it did not start, found in its log."""

from __future__ import annotations

import re

from fleet.text import clean_lines

_STARTED = re.compile(r"Start(?:ed|ing) ")
"""How the service manager begins the log of a new start; engines indent the word, or put a level before it."""
_RAISED = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception)): (?P<said>\S.*)")
_FAILED = re.compile(r"(?:failed to|unable to|cannot|could not|error:|\[errno) ?.*", re.IGNORECASE)
_ECHOES = ("Engine core initialization failed", "Failed core proc", "Engine process failed to start")
"""What a parent process says when its child has said why."""


def why(log: str, limit: int = 600) -> str:
    """The engine's own sentence of its newest start; empty where its log has none.

    Newest first: an exception's text is better than a plain line about a failure, and no echo counts.
    """
    lines = clean_lines(log, limit=limit)
    begins = max((n for n, line in enumerate(lines) if _STARTED.match(line)), default=0)
    said = [line for line in reversed(lines[begins:]) if not any(echo in line for echo in _ECHOES)]
    for line in said:
        match = _RAISED.search(line)
        if match:
            return f"{match[1]}: {match['said']}"
    return next((line.strip() for line in said if _FAILED.search(line)), "")
