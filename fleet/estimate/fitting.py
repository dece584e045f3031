"""What a model can have on its GPUs at most, and need at least; each answer holds at the high end of every spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.estimate import Outcome, Reason
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial

SHARE = {"vllm": "gpu-memory-utilization", "sglang": "mem-fraction-static"}
"""The flag that says how much of a GPU an engine may have, by engine."""
LENGTH = {"vllm": "max-model-len", "llama.cpp": "ctx-size", "sglang": "context-length"}
"""The flag that says how long a sequence may be, by engine."""
SEQUENCES = "max-num-seqs"
"""The flag that says how many sequences vLLM serves at once."""
_STEPS = 100
"""Of a whole GPU's share, where no others are asked for."""
_MOST_TOKENS = 1 << 24
"""Beyond the longest context of any model."""

CACHE_LACKS = frozenset({Reason.SEQUENCE_TOO_LONG, Reason.NO_CACHE_MEMORY})
"""What an engine says whose share is too small."""
GPU_LACKS = frozenset({Reason.NOT_ENOUGH_FREE, Reason.OUT_OF_MEMORY})
"""What one says whose share is too large for what is free."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What one model can have here; None where it starts with nothing of the kind."""

    longest_length: int | None
    """Tokens of the longest sequence it can be started with, its other arguments as they are."""
    length: int | None
    """The length the numbers below are for."""
    most_sequences: int | None
    """Sequences of that length its cache holds at once, ``max-num-seqs`` being as many."""
    share: float | None
    """The utilization the three above are for; None for engines without."""
    smallest_share: float | None
    """The smallest utilization it starts with at that length, in hundredths; None for engines without."""


def fit(trial: Trial) -> Fit:
    """The longest context, the most concurrency and the smallest share a model can have on these GPUs.

    Where less is free than its share, it is given the largest that is. Where it does not start with its own length,
    concurrency and smallest share are those at the longest that does.
    """
    trial = _with_free_share(trial)
    longest, length = longest_length(trial), trial.estimate().max_model_len
    share = smallest_share(trial)
    flag = LENGTH.get(trial.model.engine.name)
    if longest and flag and not trial.starts():
        trial, length = trial.given({flag: longest}), longest
        share = share or smallest_share(trial)
    given = trial.utilization if trial.model.engine.name == "vllm" else None
    return Fit(longest, length, most_sequences(trial), given, share)


def _with_free_share(trial: Trial) -> Trial:
    refusal = trial.estimate(End.HIGH).refusal
    share = largest_share(trial) if refusal and refusal.reason in GPU_LACKS else None
    return trial if share is None else trial.given({SHARE[trial.model.engine.name]: share})


def longest_length(trial: Trial) -> int | None:
    """Tokens of the longest sequence it can be started with; None where it starts with none."""
    engine = trial.model.engine.name
    flag = LENGTH.get(engine)
    if flag is None:
        return None
    if engine in SHARE:
        longest = trial.estimate(End.HIGH).longest_length
        return longest if longest and trial.given({flag: longest}).starts() else None
    most = trial.architecture.max_positions if trial.architecture else _MOST_TOKENS
    return largest(1, most, lambda length: trial.given({flag: length}).starts())


def most_sequences(trial: Trial) -> int | None:
    """Sequences of its full length the cache holds at once; None where it does not start or has no such flag.

    A larger batch leaves the cache less, so the answer is the largest number the cache still holds.
    """
    if trial.model.engine.name != "vllm":
        return None

    def held(sequences: int) -> bool:
        tried = trial.given({SEQUENCES: sequences})
        return tried.starts() and (tried.estimate(End.HIGH).max_concurrency or 0) >= sequences

    single = trial.given({SEQUENCES: 1}).estimate(End.HIGH)
    return largest(1, int(single.max_concurrency or 0), held)


def smallest_share(trial: Trial, steps: int = _STEPS) -> float | None:
    """The smallest utilization it starts with, in ``1 / steps``; None where none does, or it knows no such thing."""
    return _share(trial, steps, lambda below: steps - below, CACHE_LACKS)


def largest_share(trial: Trial) -> float | None:
    """The largest utilization it starts with, in hundredths; None where none does, or it knows no such thing."""
    return _share(trial, _STEPS, lambda above: 1 + above, GPU_LACKS)


def _share(trial: Trial, steps: int, at: Callable[[int], int], wrong: frozenset[Reason]) -> float | None:
    """The last share, from one end of all there are, before the engine refuses for one of these reasons."""
    flag = SHARE.get(trial.model.engine.name)
    if flag is None or trial.architecture is None:
        return None

    def given(distance: int) -> Trial:
        return trial.given({flag: at(distance) / steps})

    def enough(distance: int) -> bool:
        refusal = given(distance).estimate(End.HIGH).refusal
        return refusal is None or refusal.reason not in wrong

    distance = largest(0, steps - 1, enough)
    return at(distance) / steps if distance is not None and given(distance).starts() else None


def largest(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The largest number from low to high that holds, None where none does; what holds, holds for smaller too."""
    if high < low or not holds(low):
        return None
    if holds(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Safe:
    """The values of an argument with which a model starts and stays beside its neighbours, both ends included.

    They hold at the high end of every spread, so a value outside is not yet a refusal.
    """

    low: float
    high: float


def safe_shares(trial: Trial) -> Safe | None:
    """The utilizations that are enough for its length and leave the neighbours theirs, in hundredths."""
    low = smallest_share(trial)
    if low is None:
        return None
    flag = SHARE[trial.model.engine.name]
    high = largest(round(low * _STEPS), _STEPS, lambda share: stays(trial.given({flag: share / _STEPS})))
    return None if high is None else Safe(low, high / _STEPS)


def safe_lengths(trial: Trial) -> Safe | None:
    """The lengths it starts with, its other arguments as they are.

    An engine with a share takes it whatever the length; of another the neighbours must be left theirs.
    """
    engine = trial.model.engine.name
    if engine in SHARE or trial.architecture is None:
        longest = longest_length(trial)
    else:
        flag = LENGTH.get(engine)
        most = trial.architecture.max_positions
        longest = largest(1, most, lambda length: stays(trial.given({flag: length}))) if flag else None
    return None if longest is None else Safe(1, longest)


def stays(trial: Trial) -> bool:
    """Whether it starts, and its peak fits beside what the others and the driver hold, at the high end of it all."""
    reckoned = trial.estimate(End.HIGH)
    held = trial.accelerator.driver_bytes
    return reckoned.outcome is Outcome.STARTED and all(
        share.total_bytes + others + held <= total
        for share, others, total in zip(reckoned.shares, trial.others_bytes, trial.totals, strict=True)
    )
