"""Read-only: the word for it, and what is said where only an operator could go on."""

from __future__ import annotations

from fleet.errors import UsageError

READ_ONLY = "read-only"
"""The mode of a viewer, as headers say it."""


class ReadOnlyError(UsageError):
    """Something that takes an operator was asked of who can only look."""

    title = "Read-only"

    def __init__(self, way_out: str = "") -> None:
        super().__init__("This gpudeck is read-only: whatever takes an operator is not in it.", way_out)
