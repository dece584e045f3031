"""What several commands take on the command line."""

from __future__ import annotations

import argparse

_MOST = 999_999_999


def count(text: str) -> int:
    """A number of things, 1 to `_MOST`. Raises ArgumentTypeError with a sentence."""
    number = int(text) if text.isdecimal() and len(text) <= len(str(_MOST)) else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {_MOST:,}")
    return number
