"""The longest sequences a start has room for: a search over what the engine would really do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fleet.estimate.measured import End
from fleet.estimate.vllm.kv_cache import admits, in_flight_tokens
from fleet.estimate.vllm.ranks import Rank, Start
from fleet.estimate.vllm.settings import LONG_CONTEXT, Settings


def longest_admitted(start: Start, settings: Settings, ranks: tuple[Rank, ...]) -> int:
    """The longest sequence up to ``max-model-len`` that the cache as it is would take; 0 where none.

    The engine's own estimate in its refusal: it does not ask whether another length would change the cache.
    """
    return _largest(_admitted(start, settings, ranks), 1, settings.max_model_len)


def longest_length(start: Start, settings: Settings, ranks: tuple[Rank, ...], end: End) -> int:
    """The longest ``max-model-len`` this start could have, up to what the model was made for; 0 where none fits.

    Where the batch does not depend on the length neither does the cache. V0 profiles a whole sequence up to 32768
    tokens and a chunk above, so a longer length can fit where a shorter one does not: each regime is searched.
    """
    same, batch = _admitted(start, settings, ranks), (settings.batched_tokens, settings.sequences)
    top = start.architecture.max_positions
    if start.batch(top) == batch:
        longest = _largest(same, 1, top)
        if longest and start.batch(longest) == batch:
            return longest

    def fits(length: int) -> bool:
        tokens, sequences = start.batch(length)
        if (tokens, sequences) == batch:
            return same(length)
        other = replace(settings, max_model_len=length, batched_tokens=tokens, sequences=sequences)
        return _admitted(start, other, start.ranks(other, end))(length)

    if top > LONG_CONTEXT and start.settings(top).chunked_prefill != start.settings(LONG_CONTEXT).chunked_prefill:
        return _largest(fits, LONG_CONTEXT + 1, top) or _largest(fits, 1, LONG_CONTEXT)
    return _largest(fits, 1, top)


def _admitted(start: Start, settings: Settings, ranks: tuple[Rank, ...]) -> Callable[[int], bool]:
    """Whether every rank would take a length, its cache memory staying as it is."""
    waiting = in_flight_tokens(start.architecture, settings, start.era)
    return lambda length: all(admits(rank.checked, rank.available, length, waiting, start.era) for rank in ranks)


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from low to high that fits, 0 where none does; what fits, fits smaller too."""
    if high < low:
        return 0
    if fits(high):
        return high
    if not fits(low):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
