"""What a field of the form can be given besides typing: the line its value lies on, the next step, what fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from console.editing.form import Field, value_text
from fleet.arguments import Kind
from fleet.estimate.estimating import charges_neighbours
from fleet.estimate.fitting import (
    LENGTH,
    SEQUENCES,
    SHARE,
    Safe,
    longest_length,
    most_sequences,
    safe_lengths,
    safe_shares,
    smallest_share,
)
from fleet.estimate.trial import Trial, trial
from fleet.estimate.untold import untold
from fleet.findings.assessment import Assessment
from fleet.model import Scalar
from fleet.startup import ModelStart
from fleet.units import count


def trial_of(assessment: Assessment, model: str, recorded: ModelStart | None = None) -> Trial:
    """The model as assessed, beside its neighbours at their peak; where it is off, on empty GPUs of its own."""
    inventory = assessment.inventory
    found = inventory.model(model)
    gpus = found.place.gpu_ids if found.enabled and found.place else ()
    kind = (inventory.host(found.place.host) if found.place else inventory.hosts[0]).accelerator
    if not gpus:
        return trial(found, kind, gpus=max(1, found.args.integer("tensor-parallel-size", 1)))
    outlooks = [assessment.outlooks[gpu] for gpu in gpus]
    return Trial(
        found,
        kind,
        tuple(seen.total_bytes for seen in outlooks),
        tuple(max(0, seen.peak_without(model) - seen.driver_bytes) for seen in outlooks),
        recorded=recorded,
    )


@dataclass(frozen=True, slots=True)
class Slider:
    """The line a value lies on, from nothing to ``end``."""

    value: float
    end: float
    step: float
    safe: Safe | None
    """Where it starts and leaves the neighbours theirs."""

    def text(self, value: float) -> str:
        """A value of the line as it is typed."""
        return f"{value:.2f}".rstrip("0").rstrip(".") if self.step < 1 else str(int(value))

    def shown(self, value: float) -> str:
        """A value of the line as it is read."""
        return self.text(value) if self.step < 1 else count(int(value))

    def stepped(self, way: int) -> str:
        """The next value on the line's scale (way 1), or the one before (-1), as text."""
        steps = round(self.value / self.step, 6)
        target = (int(steps) + 1 if way > 0 else -int(-steps // 1) - 1) * self.step
        return self.text(min(self.end, max(self.step, target)))


def slider(trial: Trial, field: Field) -> Slider | None:
    """The line of a utilization or a length; None for other arguments, and where its end is not known."""
    engine, flag, value = trial.model.engine.name, field.flag, _value(trial, field)
    if isinstance(value, str) or value is None or value <= 0:
        return None
    if flag == SHARE.get(engine):
        return Slider(value, 1.0, 0.01, safe_shares(trial))
    if flag == LENGTH.get(engine) and trial.architecture:
        end = max(trial.architecture.max_positions, int(value))
        return Slider(value, end, _length_step(end), safe_lengths(_in_its_share(trial)))
    return None


def _in_its_share(trial: Trial) -> Trial:
    """The same on GPUs of its own where its engine takes its share whatever others hold: they do not shorten it."""
    model, accelerator = trial.model, trial.accelerator
    if model.engine.name not in SHARE or charges_neighbours(model, accelerator):
        return trial
    return trial.beside(*(0 for _ in trial.totals))


def _value(trial: Trial, field: Field) -> Scalar:
    own = trial.model.args.get(field.flag)
    return untold(trial, field.flag) if own is None else own


def _length_step(end: int) -> int:
    """About a hundredth of the line, as a power of two."""
    return max(16, 1 << max(0, end.bit_length() - 7))


def has_steps(field: Field) -> bool:
    """Whether its values follow each other, so that left and right can change them."""
    return field.argument.kind is not Kind.TEXT


def stepped(trial: Trial, field: Field, way: int) -> str | None:
    """The next value (way 1) or the one before (-1), as text; None where there is none.

    A utilization and a length go along their line, other counts double or halve, choices and switches follow each
    other.
    """
    line = slider(trial, field)
    if line is not None:
        return line.stepped(way)
    value = _value(trial, field)
    match field.argument.kind:
        case Kind.COUNT if isinstance(value, int):
            return str(value * 2 if way > 0 else max(1, value // 2))
        case Kind.SWITCH:
            return value_text(value is not True)
        case Kind.CHOICE:
            choices = field.argument.choices
            here = choices.index(str(value)) if value in choices else min(0, -way)
            return choices[(here + way) % len(choices)]
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """What fits best in a field, and a sentence about it."""

    text: str | None
    """None where nothing fits."""
    sentence: str


def fits(trial: Trial, field: Field) -> bool:
    """Whether what fits best in that field can be worked out."""
    return field.flag in _fitters(trial)


def fit(trial: Trial, field: Field) -> Found:
    """The smallest utilization, the longest length or the most sequences the model starts with beside its neighbours.

    It holds at the high end of every spread.
    """
    return _fitters(trial)[field.flag](trial)


def _fitters(trial: Trial) -> dict[str, Callable[[Trial], Found]]:
    engine = trial.model.engine.name
    found = {SHARE.get(engine, ""): _smallest, LENGTH.get(engine, ""): _longest}
    if engine == "vllm":
        found[SEQUENCES] = _most
    return {flag: fitter for flag, fitter in found.items() if flag}


def _smallest(trial: Trial) -> Found:
    length = trial.estimate().max_model_len
    what = f"a length of {count(length)}" if length else "it"
    share = smallest_share(trial)
    if share is None:
        return Found(None, f"No utilization is enough for {what} here.")
    return Found(value_text(share), f"{share:g} is the smallest utilization that is enough for {what}.")


def _longest(trial: Trial) -> Found:
    longest = longest_length(_in_its_share(trial))
    if longest is None:
        return Found(None, "It starts with no length at all.")
    return Found(str(longest), f"{count(longest)} is the longest length it starts with.")


def _most(trial: Trial) -> Found:
    most, length = most_sequences(_in_its_share(trial)), trial.estimate().max_model_len
    if most is None:
        return Found(None, "Its cache does not hold a single sequence of its full length.")
    what = "one sequence" if most == 1 else f"{count(most)} sequences"
    return Found(str(most), f"Its cache holds {what} of {count(length or 0)} tokens at once.")
