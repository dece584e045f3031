"""Arguments that list numbers."""

from __future__ import annotations

import re
from math import isfinite


def numbers(text: str) -> tuple[float, ...]:
    """Numbers between commas or slashes, brackets around them ignored; none where one of them is no finite number."""
    try:
        found = tuple(float(part) for part in re.split("[,/]", text.strip(" []")) if part.strip())
    except ValueError:
        return ()
    return found if all(map(isfinite, found)) else ()
