"""The entry point: the fleet as it could be placed better, as changes for a draft, each with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.findings import Finding, Severity, Tense
from fleet.findings.assess import Assessment, assess
from fleet.findings.placement import place as placed
from fleet.findings.power import cost, gpu_watts
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, Serve, SetArgument, apply, with_copies
from fleet.model import GpuId, Model, Place
from fleet.planning.rebalance.fitting import given_back, rungs
from fleet.planning.rebalance.loads import Loads, left_over, settled
from fleet.planning.rebalance.offers import Answer, Offer, loosened, offer
from fleet.planning.rebalance.posing import Question, pose, trial_on, without_copies_apart
from fleet.planning.rebalance.problem import Assignment, Slot, Together
from fleet.planning.rebalance.reasons import why
from fleet.planning.rebalance.search import Found, OnProgress, search
from fleet.startup import ModelStart
from fleet.units import watts_text

SECONDS = 10.0
"""How long a search takes at most, unless it is told otherwise."""
_OFFER_SECONDS = 3.0
"""How long each checkpoint is tried at most."""
_NAMED = 6
"""Models named in a sentence."""
_ROUNDS = 6
"""Answers that may turn out to hold an error before the fleet is left as it is."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A better placement, as changes nobody has staged yet."""

    given: tuple[Change, ...]
    """The changes it was asked beside, but for the enabling of models that had no place."""
    moves: tuple[Change, ...]
    """What it adds to them; a model without a place is moved before it is enabled."""
    reasons: Mapping[str, str]
    """By model, one sentence each, in the order of the changes."""
    unplaced: tuple[str, ...]
    """Models without a place, or left on a GPU that cannot hold what is on it."""
    restarts: int
    """Running models it moves or makes smaller."""
    fewest_restarts: float
    """What no answer that leaves nothing out goes below, weighted."""
    proved: bool
    """Whether there is none with less left out, fewer GPUs that may run out, or fewer restarts."""
    offer: Offer | None = None
    """Other checkpoints that would let everything fit; None where everything does, or none would."""
    costs: str = ""
    """What power and machines come to, as a sentence; empty where the fleet file has no price."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them."""
        return (*self.given, *self.moves)

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        sure = "and no fewer would do" if self.proved else "the best found in the time"
        if self.unplaced:
            return f"{_moves(self.restarts)}; no place was found for {_listed(self.unplaced)}."
        if not self.moves:
            return "Nothing needs to move."
        return f"{_moves(self.restarts)}, {sure}."


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _moves(number: int) -> str:
    return f"{number} restart{'' if number == 1 else 's'}"


def rebalance(
    inventory: Inventory,
    changes: Collection[Change] = (),
    *,
    emptied: frozenset[GpuId] = frozenset(),
    closed: frozenset[GpuId] = frozenset(),
    only_empties: bool = False,
    totals: Mapping[GpuId, int] | None = None,
    starts: Mapping[str, ModelStart] | None = None,
    requests: Mapping[str, int] | None = None,
    seconds: float = SECONDS,
    goes_on: Callable[[], bool] = lambda: True,
    on_progress: OnProgress = lambda _: None,
) -> Proposal:
    """A placement in which everything fits, with as few restarts as can be found, and evenly filled GPUs.

    Every engine's budget and start check holds by the real estimate: what is proposed has no error among its findings
    that the fleet with the changes given has not. Where no such answer is found, nothing is added to them.

    Args:
        inventory: The fleet as it runs.
        changes: What is to change in any case. Models that are moved stay where they are moved to, and models that
            are enabled without a place get one.
        emptied: GPUs no model may stay on.
        closed: GPUs that keep what is on them and take nothing new.
        only_empties: Leave the other GPUs as they are, however full.
        totals: Measured bytes of GPUs; the accelerator's own figure for the rest.
        starts: What starts of models measured, by name.
        requests: Running or waiting now, by model: who serves many is rather left alone.
        seconds: How long to search at most; the first answer takes milliseconds.
        goes_on: Asked often; once it says no, the best answer so far is given.
        on_progress: Told of every better answer.

    Raises:
        UsageError: A change makes no sense.
    """
    moved = {change.model for change in changes if isinstance(change, Move)}
    wanted = {
        change.model
        for change in changes
        if isinstance(change, Enable) and change.model not in moved and not _has_place(inventory, change.model)
    }
    given = tuple(change for change in changes if not (isinstance(change, Enable) and change.model in wanted))
    question = Question(
        wanted=frozenset(wanted),
        kept=frozenset(moved),
        restarting=frozenset(change.model for change in with_copies(inventory, given)),
        requests=requests or {},
        emptied=emptied,
        closed=closed,
        only_empties=only_empties,
    )
    until = time.monotonic() + seconds
    task = _Rebalancing(inventory, given, question, totals or {}, starts or {})
    proposal = task.run(seconds, goes_on, on_progress)
    return replace(proposal, offer=task.offer(proposal, until, goes_on)) if proposal.unplaced else proposal


def _has_place(inventory: Inventory, name: str) -> bool:
    return any(model.place for model in inventory.models if model.name == name)


class _Rebalancing:
    """One fleet being rebalanced."""

    def __init__(
        self,
        inventory: Inventory,
        given: tuple[Change, ...],
        question: Question,
        totals: Mapping[GpuId, int],
        starts: Mapping[str, ModelStart],
    ) -> None:
        self._before = inventory
        self._given = given
        self._inventory = apply(inventory, given)
        served = {change.model for change in with_copies(inventory, given) if isinstance(change, Serve)}
        if served:
            as_it_runs = assess(inventory, totals=totals, starts=starts, with_fixes=False).estimates
            self._inventory = loosened(self._inventory, with_copies(inventory, given), as_it_runs)
        self._running = {model.name for model in inventory.placed}
        self._question = question
        self._totals = totals
        self._starts = starts = {name: start for name, start in starts.items() if name not in served}
        self._now = assess(self._inventory, totals=totals, starts=starts, with_fixes=False)
        self._known = {_key(finding) for finding in _errors(self._now)}
        self._problem = pose(placed(self._inventory, totals=totals, starts=starts), question)

    def run(self, seconds: float, goes_on: Callable[[], bool], on_progress: OnProgress) -> Proposal:
        until = time.monotonic() + seconds
        for _ in range(_ROUNDS):
            found, assignment = self._searched(until, goes_on, on_progress)
            changes = tuple(self._changes(assignment))
            then = assess(
                apply(self._inventory, changes),
                tense=Tense.DRAFT,
                totals=self._totals,
                starts=self._starts,
                with_fixes=False,
            )
            wrong = [finding for finding in _errors(then) if _key(finding) not in self._known]
            if not wrong:
                return self._proposal(found, assignment, changes, then)
            self._problem = self._problem.with_cuts(self._cuts(then, wrong))
        return self._nothing()

    def offer(self, proposal: Proposal, until: float, goes_on: Callable[[], bool]) -> Offer | None:
        """Other checkpoints that would let everything fit; None where none would."""

        def answered(serves: tuple[Serve, ...]) -> Answer:
            other = frozenset(change.model for change in with_copies(self._before, serves))
            question = replace(self._question, restarting=self._question.restarting | other)
            seconds = min(_OFFER_SECONDS, until - time.monotonic()) if goes_on() else 0.0
            task = _Rebalancing(self._before, (*self._given, *serves), question, self._totals, self._starts)
            found = task.run(seconds, goes_on, lambda _: None)
            running = {change.model for change in found.moves} | other
            return Answer(found.unplaced, len(running & self._running), found.moves)

        names = [item.name for item in self._problem.items]
        return offer(self._inventory, names, proposal.unplaced, self._now.estimates, answered)

    def _searched(self, until: float, goes_on: Callable[[], bool], on_progress: OnProgress) -> tuple[Found, Assignment]:
        found = search(self._problem, until - time.monotonic(), goes_on, on_progress)
        loosened = without_copies_apart(self._problem)
        if None in found.assignment and loosened != self._problem:
            again = search(loosened, until - time.monotonic(), goes_on, on_progress)
            if again.assignment.count(None) < found.assignment.count(None):
                self._problem, found = loosened, again
        return found, settled(self._problem, found.assignment)

    def _changes(self, assignment: Assignment) -> Iterator[Change]:
        loads = Loads(self._problem, assignment)
        for item, slot in zip(self._problem.items, assignment, strict=True):
            if slot is None or slot == item.home:
                continue
            model, place = self._inventory.model(item.name), self._place(slot)
            if place != model.place:
                yield Move(item.name, place)
            if slot.rung:
                yield from self._smaller(model, slot, loads)
            if not model.enabled:
                yield Enable(item.name)

    def _smaller(self, model: Model, slot: Slot, loads: Loads) -> Iterator[Change]:
        """As small as it has to be: what its GPUs have to spare is shared among those made smaller there."""
        host = self._inventory.hosts[slot.host]
        total = min(self._now.outlooks[gpu].total_bytes for gpu in host.gpu_ids)
        alone = trial_on(model, host.accelerator, total, self._starts.get(model.name))
        spare = min(
            loads.room(slot.host, gpu, comfortably=True) // sum(self._is_fitted(item, loads) for item in on)
            for gpu in slot.gpus
            if (on := loads.on[slot.host][gpu])
        )
        for flag, value in given_back(rungs(alone)[slot.rung - 1], alone, spare).items():
            yield SetArgument(model.name, flag, value)

    @staticmethod
    def _is_fitted(item: int, loads: Loads) -> bool:
        slot = loads.slots[item]
        return slot is not None and slot.rung > 0

    def _place(self, slot: Slot) -> Place:
        return Place(self._problem.hosts[slot.host].name, slot.gpus)

    def _cuts(self, then: Assessment, wrong: Collection[Finding]) -> Iterator[Together]:
        """What must not come together again, by what was found wrong where."""
        numbers = {item.name: number for number, item in enumerate(self._problem.items)}
        hosts = {host.name: number for number, host in enumerate(self._problem.hosts)}
        for finding in wrong:
            place = then.inventory.model(finding.model).place if finding.model else None
            gpu = finding.gpu or (place.gpu_ids[0] if place else None)
            if gpu is not None:
                names = [model.name for model in then.inventory.on(gpu)]
                yield Together(hosts[gpu.host], gpu.index, frozenset(numbers[name] for name in names))

    def _proposal(
        self, found: Found, assignment: Assignment, changes: tuple[Change, ...], then: Assessment
    ) -> Proposal:
        moved = list(dict.fromkeys(change.model for change in changes))
        return Proposal(
            given=self._given,
            moves=changes,
            reasons={name: why(name, self._now, then, self._question) for name in moved},
            unplaced=tuple(self._problem.items[i].name for i in left_over(self._problem, assignment)),
            restarts=sum(name in self._running for name in moved),
            fewest_restarts=found.fewest_restarts,
            proved=found.proved,
            costs=_costs(self._now.inventory, then.inventory),
        )

    def _nothing(self) -> Proposal:
        as_is = tuple(item.home for item in self._problem.items)
        left = tuple(self._problem.items[i].name for i in left_over(self._problem, as_is))
        return Proposal(self._given, (), {}, left, 0, 0.0, proved=False)


def _costs(before: Inventory, after: Inventory) -> str:
    was, becomes = cost(before), cost(after)
    if was is None or becomes is None:
        return ""
    watts = watts_text(sum(gpu_watts(after).values()))
    instead = f" instead of {was.per_hour:,.2f}" if f"{was.per_hour:.2f}" != f"{becomes.per_hour:.2f}" else ""
    return f"About {watts} under load; {becomes}{instead}."


def _errors(assessment: Assessment) -> list[Finding]:
    return [finding for finding in assessment.findings if finding.severity is Severity.ERROR]


def _key(finding: Finding) -> tuple[str, str | None, GpuId | None]:
    """What makes an error the same as another, wherever its model has gone."""
    return finding.code, finding.model, None if finding.model else finding.gpu
