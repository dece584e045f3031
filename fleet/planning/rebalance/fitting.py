"""How a model may be made smaller, inside what its operator allows, and how much of it may be given back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.estimate import Outcome
from fleet.estimate.fitting import LENGTH, SEQUENCES, SHARE, largest
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial
from fleet.model import Arguments, Least, Scalar

_STEPS = 100
_KV_DTYPE = "kv-cache-dtype"


def rungs(trial: Trial) -> tuple[Mapping[str, Scalar], ...]:
    """The arguments that make a vLLM model smaller and smaller, what it loses least by first.

    The smallest share comes first, with everything else as it is; then also fewer sequences at once, a smaller KV
    cache dtype and a shorter length, each only where the share can be smaller for it. At the high end of every spread
    it starts with each of them, and its cache holds as many sequences of its length as it must. None where its
    operator allows none, or where they would take no less.
    """
    least = trial.model.least
    if least is None or trial.model.engine.name != "vllm":
        return ()
    found: list[dict[str, Scalar]] = []
    given_up: dict[str, Scalar] = {}
    steps = int(trial.utilization * _STEPS)
    for more in ({}, *_losses(trial, least)):
        smaller = _smallest_share(trial.given(given_up | more), steps - 1, least)
        if smaller is not None:
            steps, given_up = smaller, given_up | more
            found.append({**given_up, SHARE["vllm"]: steps / _STEPS})
    return tuple(found)


def _losses(trial: Trial, least: Least) -> Iterator[dict[str, Scalar]]:
    """What may be given up beside the share, what hurts least first."""
    sequences = trial.model.args.integer(SEQUENCES, 0)
    if least.sequences is not None and (not sequences or least.sequences < sequences):
        yield {SEQUENCES: least.sequences}
    for dtype in least.kv_dtypes:
        yield {_KV_DTYPE: dtype}
    length = trial.estimate().max_model_len
    if least.length is not None and length is not None and least.length < length:
        yield {LENGTH["vllm"]: least.length}


def _smallest_share(trial: Trial, most: int, least: Least) -> int | None:
    """The smallest share up to that, in hundredths, with which it starts and holds what it must; None where none."""

    def enough(below: int) -> bool:
        reckoned = trial.given({SHARE["vllm"]: (_STEPS - below) / _STEPS}).estimate(End.HIGH)
        return reckoned.outcome is Outcome.STARTED and (reckoned.max_concurrency or 0) >= least.concurrency

    below = largest(_STEPS - most, _STEPS - 1, enough)
    return None if below is None else _STEPS - below


def given_back(arguments: Mapping[str, Scalar], trial: Trial, spare: int) -> Mapping[str, Scalar]:
    """The arguments of a rung with as much of its own share again as there are bytes to spare on each of its GPUs.

    A hundredth stays free, for what the sizes outside the share add.
    """
    share = SHARE["vllm"]
    steps = max(0, spare * _STEPS // min(trial.totals) - 1)
    larger = round(Arguments(arguments).number(share, 0.0) * _STEPS) + steps
    return {**arguments, share: min(trial.utilization, larger / _STEPS)}
