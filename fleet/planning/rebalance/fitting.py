"""How small a model may be made, inside what its operator allows, and how much of it may be given back."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.estimate import Outcome
from fleet.estimate.fitting import LENGTH, SHARE, largest
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial
from fleet.model import Arguments, Scalar

_STEPS = 100


def smallest_arguments(trial: Trial) -> Mapping[str, Scalar]:
    """The arguments that give a vLLM model the least it may have: its shortest length, then its smallest share.

    At the high end of every spread it starts with them and its cache holds as many sequences of that length as it
    must. Empty where its operator allows none, or where they would take no less.
    """
    model, least = trial.model, trial.model.least
    if least is None or model.engine.name != "vllm":
        return {}
    share, length = SHARE["vllm"], LENGTH["vllm"]
    own = trial.estimate().max_model_len
    changed: dict[str, Scalar] = {}
    if least.length is not None and own is not None and least.length < own:
        changed[length] = least.length
    shorter = trial.given(changed)

    def enough(steps: int) -> bool:
        reckoned = shorter.given({share: (_STEPS - steps) / _STEPS}).estimate(End.HIGH)
        return reckoned.outcome is Outcome.STARTED and (reckoned.max_concurrency or 0) >= least.concurrency

    steps = largest(_STEPS - int(trial.utilization * _STEPS) + 1, _STEPS - 1, enough)
    return {} if steps is None else {**changed, share: (_STEPS - steps) / _STEPS}


def given_back(arguments: Mapping[str, Scalar], trial: Trial, spare: int) -> Mapping[str, Scalar]:
    """The smallest arguments with as much of its own share again as there are bytes to spare on each of its GPUs.

    A hundredth stays free, for what the sizes outside the share add.
    """
    share = SHARE["vllm"]
    steps = max(0, spare * _STEPS // min(trial.totals) - 1)
    larger = round(Arguments(arguments).number(share, 0.0) * _STEPS) + steps
    return {**arguments, share: min(trial.utilization, larger / _STEPS)}
