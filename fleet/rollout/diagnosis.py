"""The sentence in which an engine says why it did not start, found in its log."""

from __future__ import annotations

import re

from fleet.text import clean_lines

_STARTED = re.compile(r"Start(?P<over>ed|ing) ")
"""How the service manager begins the log of a new start; engines indent the word, or put a level before it.

Of a unit that says itself when it is up, ``Starting`` and then ``Started`` are one start.
"""
_BY_ITSELF = "Scheduled restart job"
"""What systemd says before a start nobody asked for."""
_RAISED = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception)): (?P<said>\S.*)")
_FAILED = re.compile(r"(?:failed to|unable to|cannot|could not|error:|\[errno) ?.*", re.IGNORECASE)
_ECHOES = ("Engine core initialization failed", "Failed core proc", "Engine process failed to start")
"""What a parent process says when its child has said why."""


def why(log: str, limit: int = 600) -> str:
    """The engine's own sentence since it was last told to start; empty where its log has none.

    A start the manager made by itself belongs to the one before, which failed: it may not have said anything yet.
    Newest first: an exception's text is better than a plain line about a failure, and no echo counts.
    """
    lines = clean_lines(log, limit=limit)
    said = [line for line in reversed(lines[_last_told(lines) :]) if not any(echo in line for echo in _ECHOES)]
    for line in said:
        match = _RAISED.search(line)
        if match:
            return f"{match[1]}: {match['said']}"
    return next((line.strip() for line in said if _FAILED.search(line)), "")


def _last_told(lines: list[str]) -> int:
    begins, by_itself, starting = 0, False, False
    for number, line in enumerate(lines):
        match = _STARTED.match(line)
        if _BY_ITSELF in line:
            by_itself = True
        elif match and not (starting and match["over"] == "ed"):
            begins, by_itself = (begins if by_itself else number), False
        starting = match["over"] == "ing" if match else starting
    return begins
