"""How long to wait before trying a host again."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_SECONDS = 0.5
LAST_SECONDS = 30.0


def backoff(chance: random.Random | None = None) -> Iterator[float]:
    """Seconds before each further attempt: doubling from FIRST_SECONDS to LAST_SECONDS, each shortened by chance.

    Between half and all of each wait is left, so that many hosts lost at once do not all come back at once.
    """
    chance = chance or random.Random()
    limit = FIRST_SECONDS
    while True:
        yield limit * chance.uniform(0.5, 1.0)
        limit = min(2 * limit, LAST_SECONDS)
