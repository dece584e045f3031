"""The programme of some hosts: which slot each item has, what each GPU holds, and what that costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from fleet.planning.rebalance.loads import Loads
from fleet.planning.rebalance.mixed_integer import Programme
from fleet.planning.rebalance.packing import fullest_sets
from fleet.planning.rebalance.problem import FITTING, Assignment, Problem, Slot
from fleet.units import GiB

GoesOn = Callable[[], bool]
"""Whether the search may go on; asked often."""
_PERCENT = 0.5
"""How near to the most even answer is near enough."""
_ROUNDING = 1e-4
_MOST_SETS = 2000
"""Of one GPU; where there are more, models are small beside it and rounding matters little."""
_GAIN = 0.01
"""The least by which a better answer costs less, in restarts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An assignment, not settled, and how sure it is."""

    assignment: Assignment
    proved: bool
    """Whether no better one exists."""


class Use(NamedTuple):
    """What one choice puts on one GPU, in GiB."""

    item: int
    column: int
    peak: float
    high: float
    start: float


class Part:
    """The programme of some hosts."""

    def __init__(
        self,
        problem: Problem,
        assignment: Assignment,
        hosts: Sequence[int],
        *,
        evens: bool = False,
        knows_sets: bool = False,
        leaves_out: int | None = None,
    ) -> None:
        """The programme.

        Args:
            problem: The whole problem.
            assignment: An answer to begin with; what is on other hosts stays there.
            hosts: Those whose items get new slots.
            evens: Whether what costs is only kept to, for `fleet.planning.rebalance.weighing.weigh_evenness`.
            knows_sets: Whether it says what each GPU can hold.
            leaves_out: 0 where nothing is left out; else the least that is known to be.
        """
        self.problem = problem
        self._assignment = assignment
        self.hosts = tuple(hosts)
        self._evens = evens
        self._knows_sets = knows_sets
        self._leaves_out = leaves_out
        self._unused_bytes: int | None = None
        self.loads = Loads(problem, assignment)
        self.programme = Programme()
        self._priced: list[tuple[int, float]] = []
        """Columns that cost something, guessed or not."""
        self._paid = 0.0
        """What the assignment costs."""
        self._chosen: dict[int, list[tuple[Slot, int]]] = {}
        self.uses: dict[tuple[int, int], list[Use]] = {
            (host, gpu): [] for host in self.hosts for gpu in range(len(problem.hosts[host].room))
        }
        """What may come to each of its GPUs, by host and GPU."""
        self._build()

    def _build(self) -> None:
        items = [i for i, slot in enumerate(self._assignment) if self._is_involved(i, slot)]
        most = self.problem.goals.most(len(items), sum(len(host.room) for host in self.problem.hosts))
        involved = [self.problem.items[i] for i in items]
        tight = 1.0 + most + sum(this.restart + FITTING * len(this.smaller) for this in involved)
        left_out = tight * (1.0 + len(self.uses) * self.problem.spreads)
        nowhere = [self._add_item(item, left_out) for item in items]
        if self._leaves_out:
            self.programme.row([(column, 1.0) for column in nowhere if column is not None], least=self._leaves_out)
        self._unused_bytes = self._unused()
        for (host, gpu), uses in self.uses.items():
            if uses:
                self._add_gpu(host, gpu, uses, tight)
        for host in self.hosts:
            self._keep_apart(host)

    def _is_involved(self, item: int, slot: Slot | None) -> bool:
        home = self.problem.items[item].home
        return slot is None or slot.host in self.hosts or (home is not None and home.host in self.hosts)

    def _choice(self, cost: float, guess: bool) -> int:
        column = self.programme.choice(0.0 if self._evens else cost, guess)
        if cost:
            self._priced.append((column, cost))
            self._paid += cost * guess
        return column

    def _unused(self) -> int | None:
        """What the GPUs together leave unused where nothing is left out; None where something may be."""
        if self._leaves_out != 0:
            return None
        smallest: dict[int, float] = {}
        for use in (use for uses in self.uses.values() for use in uses):
            smallest[use.item] = min(use.peak, smallest.get(use.item, use.peak))
        taken = sum(self.problem.items[item].gpus * size for item, size in smallest.items())
        return sum(max(0, self.problem.hosts[host].limit(gpu)) for host, gpu in self.uses) - round(taken * GiB)

    def amount(self, cost: float, guess: float) -> int:
        """A column of 0 or more that costs something."""
        column = self.programme.amount(0.0 if self._evens else cost, guess)
        self._priced.append((column, cost))
        self._paid += cost * guess
        return column

    def _add_item(self, item: int, left_out: float) -> int | None:
        """Its choices; the column that says it has none, where that may be."""
        now = self._assignment[item]
        slots = [slot for host in self.hosts for slot in self.problem.slots(item, host)]
        if now is not None and now not in slots:
            slots.append(now)
        columns = []
        for slot in slots:
            need = self.problem.need(item, slot)
            if self._fits_alone(slot, need.peak):
                column = self._choice(self.problem.cost(item, slot), slot == now)
                columns.append((slot, column))
                for gpu, peak, high in zip(slot.gpus, need.peak, need.high, strict=True):
                    if (slot.host, gpu) in self.uses:
                        use = Use(item, column, peak / GiB, high / GiB, need.start / GiB)
                        self.uses[slot.host, gpu].append(use)
        self._chosen[item] = columns
        none = None if self._leaves_out == 0 else self._choice(left_out, now is None)
        nothing = [] if none is None else [(none, 1.0)]
        self.programme.row([*nothing, *((column, 1.0) for _, column in columns)], least=1, most=1)
        return none

    def _fits_alone(self, slot: Slot, peak: tuple[int, ...]) -> bool:
        host = self.problem.hosts[slot.host]
        return all(size <= host.limit(gpu) for gpu, size in zip(slot.gpus, peak, strict=True))

    def _add_gpu(self, host: int, gpu: int, uses: Sequence[Use], tight_cost: float) -> None:
        room, limit = self.problem.hosts[host].room[gpu] / GiB, self.problem.hosts[host].limit(gpu) / GiB
        peaks = [(use.column, use.peak) for use in uses]
        if any(use.start > 0 for use in uses):
            peaks.append((self._hardest_start(host, gpu, uses), 1.0))
        self.programme.row(peaks, most=limit)
        if limit > room or any(use.high > use.peak for use in uses):
            guess = self.loads.room(host, gpu, comfortably=True) < 0
            tight = self._choice(tight_cost, guess)
            everything = sum(use.high for use in uses)
            self.programme.row([*((use.column, use.high) for use in uses), (tight, -everything)], most=room)
            if limit > room:
                self.programme.row([*peaks, (tight, room - limit)], most=room)
        if self._knows_sets:
            self._add_sets(uses, self.problem.hosts[host].limit(gpu), self.loads.on[host][gpu])
        for together in self.problem.cuts_by_gpu.get((host, gpu), ()):
            columns = [(use.column, 1.0) for use in uses if use.item in together]
            self.programme.row(columns, most=len(together) - 1)

    def _add_sets(self, uses: Sequence[Use], limit: int, there: Set[int]) -> None:
        """What is there is a mixture of the fullest sets the GPU holds.

        With whole numbers that says no more than the sum of the peaks; without, which is how bounds are found, much
        more (Gilmore and Gomory, 1961).
        """
        by_item: defaultdict[int, list[Use]] = defaultdict(list)
        for use in uses:
            by_item[use.item].append(use)
        same = list(by_item.values())
        smallest = [min(round(use.peak * GiB) for use in each) for each in same]
        sets = fullest_sets(smallest, limit, _MOST_SETS, self._unused_bytes)
        if sets is None:
            return
        now = {position for position, each in enumerate(same) if each[0].item in there}
        guess = next((chosen for chosen in sets if now.issubset(chosen)), None)
        shares = [self.programme.amount(0.0, float(chosen is guess)) for chosen in sets]
        holding: defaultdict[int, list[int]] = defaultdict(list)
        for share, chosen in zip(shares, sets, strict=True):
            for position in chosen:
                holding[position].append(share)
        self.programme.row([(share, 1.0) for share in shares], most=1)
        for position, each in enumerate(same):
            terms = [(use.column, 1.0) for use in each] + [(share, -1.0) for share in holding[position]]
            self.programme.row(terms, most=0)

    def _hardest_start(self, host: int, gpu: int, uses: Sequence[Use]) -> int:
        """A column that is at least what any start there takes beyond its own peak."""
        there = self.loads.on[host][gpu]
        hardest = self.programme.amount(0.0, max((use.start for use in uses if use.item in there), default=0.0))
        for use in uses:
            if use.start > 0:
                self.programme.row([(hardest, 1.0), (use.column, -use.start)], least=0)
        return hardest

    def _keep_apart(self, host: int) -> None:
        labelled: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        already: defaultdict[str, int] = defaultdict(int)
        for item, columns in self._chosen.items():
            this = self.problem.items[item]
            for label in this.apart:
                labelled[label] += [(column, 1.0) for slot, column in columns if slot.host == host]
                already[label] += this.home is not None and this.home.host == host
        for label, columns_there in labelled.items():
            if len(columns_there) > 1:
                self.programme.row(columns_there, most=max(1, already[label]))

    def cost_no_more(self) -> None:
        """Allow only what costs no more than the assignment does."""
        self.programme.row(self._priced, most=self._paid + _ROUNDING)

    def cost_less(self) -> None:
        """Allow only what is better, so that the solver does not look for more of the same."""
        self.programme.row(self._priced, most=self._paid - _GAIN)

    @property
    def is_impossible(self) -> bool:
        """Whether `solve` proved that there is no answer."""
        return self.programme.is_impossible

    def solve(self, seconds: float, goes_on: GoesOn) -> Answer | None:
        """Solve it; None where no answer was found in the time."""
        gap = _PERCENT if self._evens else _ROUNDING
        solution = self.programme.solve(seconds, goes_on, gap, presolves=not self._knows_sets)
        if solution is None:
            return None
        slots = list(self._assignment)
        for item, columns in self._chosen.items():
            slots[item] = next((slot for slot, column in columns if solution.values[column] > 0.5), None)
        return Answer(tuple(slots), solution.proved)
