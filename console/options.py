"""What several commands take on the command line."""

from __future__ import annotations

import argparse

_DIGITS = 9


def count(text: str) -> int:
    """A number of things, 1 or more. Raises ArgumentTypeError with a sentence."""
    number = int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number
