"""Environment variables an overlay sets or clears."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleet.errors import UsageError
from fleet.text import clean

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_variables(environment: Mapping[str, str | None]) -> tuple[str, ...]:
    """The names of the variables that are cleared (None). Raises UsageError for a name that is none."""
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise UsageError(f"{clean(name)!r} is not the name of an environment variable.")
    return tuple(name for name, value in environment.items() if value is None)
