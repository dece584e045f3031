"""What every GPU says to models that are carried over it, before anything is staged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from fleet.errors import UsageError
from fleet.findings import Finding, Severity, Tense
from fleet.findings.assessment import Assessment
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, apply
from fleet.model import GpuId, Model, Place
from fleet.units import gib

if TYPE_CHECKING:
    from fleet.startup import ModelStart


class Fit(StrEnum):
    """How well models fit a place."""

    FITS = "fits"
    TIGHT = "tight"
    """They start, but a peak or the high end of the spread would not fit."""
    SHORT = "short"
    REFUSED = "refused"
    """There is memory, but an engine would refuse to start there."""
    TOO_FEW = "too few GPUs"
    """The place does not exist: too few GPUs from there on."""
    CORDONED = "cordoned"
    """Nothing new is placed there."""
    HERE = "here"
    """Where they are already."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to carried models: what putting them down would lead to."""

    fit: Fit
    size_bytes: int
    """What stays free, or what is missing."""
    changes: tuple[Change, ...] = ()
    """What putting them down stages."""
    after: Assessment | None = None
    """What would then be on the hosts it concerns, and nothing of others; its findings have no fixes."""

    @property
    def possible(self) -> bool:
        """Whether everything would start."""
        return self.fit in (Fit.FITS, Fit.TIGHT)

    @property
    def rank(self) -> tuple[bool, int]:
        """The larger, the better a place where it is possible: one that fits before a tight one, then by its room."""
        return self.fit is Fit.FITS, self.size_bytes


@dataclass(frozen=True, slots=True)
class Swap:
    """Two models that change places."""

    partner: str
    """The model that comes to where the carried one was."""
    verdict: Verdict
    """On both places."""


@dataclass(frozen=True, slots=True)
class Best:
    """Where carried models fit best."""

    gpu: GpuId
    reason: str
    """Why there: a clause about the GPU."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Models carried together over a fleet, and what is known of it. They count only together."""

    inventory: Inventory
    models: tuple[Model, ...]
    """As the inventory has them."""
    totals: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    """Measured bytes of GPUs."""
    starts: Mapping[str, ModelStart] | None = None
    """What starts of models measured, by name."""
    tense: Tense = Tense.DRAFT
    """Of which the findings are said to speak."""
    cordoned: Collection[GpuId] = ()
    """GPUs on which nothing new is placed."""

    @property
    def name(self) -> str:
        """What is carried, in a word or two."""
        return self.models[0].name if len(self.models) == 1 else f"{len(self.models)} models"

    @property
    def verdicts(self) -> Mapping[GpuId, Verdict]:
        """The answer of every GPU, in the fleet's order; each is asked when it is first looked at."""
        return _Verdicts(self)

    def verdict(self, gpu: GpuId) -> Verdict:
        """What happens if all models are dropped on that GPU, everything else as in the inventory."""
        try:
            changes = drop(self.inventory, self.models, gpu)
        except UsageError:
            return Verdict(Fit.TOO_FEW, 0)
        if self._is_barred(changes):
            return Verdict(Fit.CORDONED, 0)
        return self.judged(changes) if changes else Verdict(Fit.HERE, 0)

    def swap(self, gpu: GpuId) -> Swap | None:
        """The exchange with a model on that GPU that leaves most room, None where none would start."""
        exchanges = [
            Swap(partner, self.judged(changes))
            for partner, changes in self._exchanges(gpu)
            if not self._is_barred(changes)
        ]
        possible = [swap for swap in exchanges if swap.verdict.possible]
        return max(possible, key=lambda swap: swap.verdict.rank, default=None)

    def _is_barred(self, changes: Iterable[Change]) -> bool:
        """Whether they place a model on a cordoned GPU where it is not already."""
        for change in changes:
            if isinstance(change, Move):
                model = self.inventory.model(change.model)
                here = model.place.gpu_ids if model.enabled and model.place else ()
                if any(gpu in self.cordoned and gpu not in here for gpu in change.place.gpu_ids):
                    return True
        return False

    def _exchanges(self, gpu: GpuId) -> Iterator[tuple[str, tuple[Change, ...]]]:
        """With every model that takes as many GPUs elsewhere: its name, and the two moves."""
        carried = self.models[0]
        if len(self.models) > 1 or carried.place is None or not carried.enabled:
            return
        for partner in self.inventory.on(gpu):
            there = partner.place
            if there and len(there.gpus) == len(carried.place.gpus) and there != carried.place:
                yield partner.name, (Move(carried.name, there), Move(partner.name, carried.place))

    def judged(self, changes: tuple[Change, ...]) -> Verdict:
        """What these changes would lead to for the models they move, and for their neighbours there."""
        after = self._assessed(_concerned(self.inventory, changes), changes, with_fixes=False)
        moved = {change.model for change in changes}
        places = [model.place for model in after.inventory.placed if model.place and model.name in moved]
        gpus = {gpu for place in places for gpu in place.gpu_ids}
        outlooks = [after.outlooks[gpu] for gpu in gpus]
        missing = max(outlook.resident_bytes - outlook.total_bytes for outlook in outlooks)
        if missing > 0:
            return Verdict(Fit.SHORT, missing, changes, after)
        errors = [finding for finding in about(after, gpus) if finding.severity is Severity.ERROR]
        if errors:
            needed = max(map(_missing, errors))
            return Verdict(Fit.SHORT if needed > 0 else Fit.REFUSED, max(0, needed), changes, after)
        tightest = min(outlooks, key=lambda outlook: outlook.total_bytes - outlook.peak_bytes)
        spare = tightest.total_bytes - tightest.peak_bytes
        if spare < 0 or any(outlook.high_bytes > outlook.total_bytes for outlook in outlooks):
            return Verdict(Fit.TIGHT, tightest.total_bytes - tightest.resident_bytes, changes, after)
        return Verdict(Fit.FITS, spare, changes, after)

    def after(self, changes: tuple[Change, ...]) -> Assessment:
        """The whole fleet with these changes."""
        return self._assessed(self.inventory, changes, with_fixes=True)

    def _assessed(self, inventory: Inventory, changes: tuple[Change, ...], *, with_fixes: bool) -> Assessment:
        from fleet.findings.assess import assess  # the estimators; the first screen is painted without them

        drafted = apply(inventory, changes)
        return assess(drafted, tense=self.tense, totals=self.totals, starts=self.starts, with_fixes=with_fixes)


class _Verdicts(Mapping[GpuId, Verdict]):
    """The answers of a fleet: those of a thousand GPUs take seconds, and an operator looks at one host."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._known: dict[GpuId, Verdict | None] = dict.fromkeys(hand.inventory.gpu_ids)

    def __getitem__(self, gpu: GpuId) -> Verdict:
        found = self._known[gpu]
        if found is None:
            found = self._known[gpu] = self._hand.verdict(gpu)
        return found

    def __iter__(self) -> Iterator[GpuId]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _concerned(inventory: Inventory, changes: Iterable[Change]) -> Inventory:
    """The hosts that changes put models on or take them from, with all that is there: each GPU of a wide fleet is
    asked in turn, and what is on other hosts has no part in its answer.
    """
    changed = {change.model for change in changes}
    names = {change.place.host for change in changes if isinstance(change, Move)}
    names |= {model.place.host for model in inventory.models if model.name in changed and model.place}
    models = (m for m in inventory.models if m.name in changed or (m.place and m.place.host in names))
    return replace(inventory, hosts=tuple(host for host in inventory.hosts if host.name in names), models=tuple(models))


def drop(inventory: Inventory, models: Iterable[Model], gpu: GpuId) -> tuple[Change, ...]:
    """The changes that put all models on that GPU: each on as many GPUs as it has now (or asks for), from there on.

    Raises UsageError where the host has too few GPUs left for one of them.
    """
    host = inventory.host(gpu.host)
    changes: list[Change] = []
    for model in models:
        count = len(model.place.gpus) if model.place else model.args.ranks
        if gpu.index + count > host.gpus:
            raise UsageError(
                f"{model.name} takes {count} GPUs; from {gpu} on {host.name} has {host.gpus - gpu.index} left.",
                f"Drop it on {host.name}/{max(0, host.gpus - count)} or below.",
            )
        place = Place(gpu.host, tuple(range(gpu.index, gpu.index + count)))
        if place != model.place:
            changes.append(Move(model.name, place))
        if not model.enabled:
            changes.append(Enable(model.name))
    return tuple(changes)


def about(assessment: Assessment, gpus: Iterable[GpuId]) -> list[Finding]:
    """The findings that concern any of these GPUs or a model there."""
    gpus = set(gpus)
    names = {model.name for gpu in gpus for model in assessment.inventory.on(gpu)}
    return [finding for finding in assessment.findings if finding.gpu in gpus or finding.model in names]


def _missing(finding: Finding) -> int:
    numbers = finding.numbers
    return round(numbers.get("needs_free_bytes", 0) - numbers.get("free_bytes", 0))


def best_fit(verdicts: Mapping[GpuId, Verdict]) -> Best | None:
    """The GPU with the most room left among those where they fit, then where it is tight; None where they fit nowhere.

    Of equals, the first.
    """
    possible = [(gpu, answer) for gpu, answer in verdicts.items() if answer.possible]
    order = sorted(possible, key=lambda found: found[1].rank, reverse=True)
    if not order:
        return None
    (gpu, answer), others = order[0], order[1:]
    if not others:
        return Best(gpu, "the only GPU where everything starts")
    next_gpu, next_answer = others[0]
    if answer.fit is not next_answer.fit:
        return Best(gpu, f"the only one that is not tight; next {next_gpu}")
    if answer.size_bytes == next_answer.size_bytes:
        return Best(gpu, f"most room left, as much as {next_gpu}")
    what = "most room left" if answer.fit is Fit.FITS else "tight everywhere, here least"
    return Best(gpu, f"{what}; next {next_gpu} {gib(next_answer.size_bytes)}")


def nearest_miss(verdicts: Mapping[GpuId, Verdict]) -> tuple[GpuId, int] | None:
    """Where least is missing, and how many bytes, among the GPUs that are short; None where none is."""
    short = {gpu: answer.size_bytes for gpu, answer in verdicts.items() if answer.fit is Fit.SHORT}
    return min(short.items(), key=lambda found: found[1], default=None)
