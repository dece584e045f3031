"""Numbers in what a host prints. Digits of other scripts, signs and blanks are none."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def whole(text: str | None) -> int | None:
    """A whole number of at most 20 digits, what 64 bits hold; None for anything else."""
    return int(text) if text and len(text) <= 20 and text.isascii() and text.isdigit() else None


def decimal(text: str | None) -> float | None:
    """A number that is not negative, with or without decimals; None for anything else."""
    return float(text) if text and _DECIMAL.fullmatch(text) else None
