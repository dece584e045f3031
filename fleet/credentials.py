"""Secrets that the fleet file names and never holds: in an environment variable, or in a file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleet.errors import EndpointError
from fleet.text import clean

LIMIT = 64 << 10
"""Bytes of a secret's file that are read."""


def credential(variable: str | None, file: Path | None, what: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """A secret, and where it was looked for as the beginning of a sentence; empty where a variable is not set.

    Args:
        variable: The environment variable that holds it.
        file: The file that does, where no variable is named.
        what: What it is called in a sentence.
        environment: Where variables are looked up.

    Raises:
        EndpointError: The file cannot be read.
    """
    if file is None or variable is not None:
        return environment.get(variable or "", "").strip(), f"The environment variable {variable}"
    path = clean(str(file))
    try:
        with file.open("rb") as opened:
            return opened.read(LIMIT).decode("ascii", "replace").strip(), path
    except OSError as error:
        raise EndpointError(f"{what} cannot be read from {path}: {error.strerror}.") from None
