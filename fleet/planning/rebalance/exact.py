"""The exact answer on some hosts: the assignment as a mixed-integer programme.

Every item has one slot or none. On each GPU the peaks, and the start that takes most beyond its own peak, fit; where
the high ends of the estimates do not fit too, the GPU is tight. As few items as can be are left out, then as few GPUs
tight, then as few restarts made. Evening out settles for those and makes the fullest GPU as empty, and neighbours as
unlike, as can be.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
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
_QUICK_SECONDS = 0.3
_GAIN = 0.01
"""The least by which a better answer costs less, in restarts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An assignment, not settled, and how sure it is."""

    assignment: Assignment
    proved: bool
    """Whether no better one exists."""


def best(problem: Problem, assignment: Assignment, seconds: float, goes_on: GoesOn) -> Answer | None:
    """The fewest left out, tight GPUs and restarts there can be; None where the time is too short.

    Most problems are easy and answered at once. Of one where everything just fits, or just does not, the proof takes
    knowing what each GPU can hold: first as if nothing were left out, where a GPU can leave little unused, and only
    where that is impossible with something left out.
    """
    until = time.monotonic() + seconds
    hosts = range(len(problem.hosts))
    quick = _Part(problem, assignment, hosts).solve(min(_QUICK_SECONDS, seconds), goes_on)
    if quick and quick.proved:
        return quick
    found = quick.assignment if quick else assignment
    whole = _Part(problem, found, hosts, knows_sets=True, leaves_out=0)
    answer = whole.solve(until - time.monotonic(), goes_on)
    if answer or not whole.is_impossible:
        return answer or quick
    part = _Part(problem, found, hosts, knows_sets=True, leaves_out=1)
    return part.solve(until - time.monotonic(), goes_on) or quick


def improve(
    problem: Problem, assignment: Assignment, hosts: Sequence[int], seconds: float, goes_on: GoesOn
) -> Answer | None:
    """A better answer than the assignment, the rest of the fleet as it is; None where none was found in the time.

    What found no place, and what came from these hosts to others, may come to them.
    """
    part = _Part(problem, assignment, hosts)
    part.cost_less()
    return part.solve(seconds, goes_on)


def even_out(problem: Problem, assignment: Assignment, seconds: float, goes_on: GoesOn) -> Answer | None:
    """The most even answer that costs no more than this assignment; None where the time is too short."""
    part = _Part(problem, assignment, range(len(problem.hosts)), evens=True)
    part.weigh_evenness()
    return part.solve(seconds, goes_on)


class _Use(NamedTuple):
    """What one choice puts on one GPU, in GiB."""

    item: int
    column: int
    peak: float
    high: float
    start: float


class _Part:
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
            evens: Whether it is for `weigh_evenness`.
            knows_sets: Whether it says what each GPU can hold.
            leaves_out: 0 where nothing is left out; else the least that is known to be.
        """
        self._problem = problem
        self._assignment = assignment
        self._hosts = tuple(hosts)
        self._evens = evens
        self._knows_sets = knows_sets
        self._leaves_out = leaves_out
        self._unused_bytes: int | None = None
        self._loads = Loads(problem, assignment)
        self._programme = Programme()
        self._priced: list[tuple[int, float]] = []
        """Columns that cost something, guessed or not."""
        self._paid = 0.0
        """What the assignment costs."""
        self._chosen: dict[int, list[tuple[Slot, int]]] = {}
        self._on: dict[tuple[int, int], list[_Use]] = {
            (host, gpu): [] for host in self._hosts for gpu in range(len(problem.hosts[host].room))
        }
        self._build()

    def _build(self) -> None:
        items = [i for i, slot in enumerate(self._assignment) if self._is_involved(i, slot)]
        most = self._problem.goals.most(len(items), sum(len(host.room) for host in self._problem.hosts))
        involved = [self._problem.items[i] for i in items]
        tight = 1.0 + most + sum(this.restart + FITTING * len(this.smaller) for this in involved)
        left_out = tight * (1.0 + len(self._on) * self._problem.spreads)
        nowhere = [self._add_item(item, left_out) for item in items]
        if self._leaves_out:
            self._programme.row([(column, 1.0) for column in nowhere if column is not None], least=self._leaves_out)
        self._unused_bytes = self._unused()
        for (host, gpu), uses in self._on.items():
            if uses:
                self._add_gpu(host, gpu, uses, tight)
        for host in self._hosts:
            self._keep_apart(host)
        if most:
            self._weigh_goals()

    def _is_involved(self, item: int, slot: Slot | None) -> bool:
        home = self._problem.items[item].home
        return slot is None or slot.host in self._hosts or (home is not None and home.host in self._hosts)

    def _choice(self, cost: float, guess: bool) -> int:
        column = self._programme.choice(0.0 if self._evens else cost, guess)
        if cost:
            self._priced.append((column, cost))
            self._paid += cost * guess
        return column

    def _unused(self) -> int | None:
        """What the GPUs together leave unused where nothing is left out; None where something may be."""
        if self._leaves_out != 0:
            return None
        smallest: dict[int, float] = {}
        for use in (use for uses in self._on.values() for use in uses):
            smallest[use.item] = min(use.peak, smallest.get(use.item, use.peak))
        taken = sum(self._problem.items[item].gpus * size for item, size in smallest.items())
        return sum(max(0, self._problem.hosts[host].limit(gpu)) for host, gpu in self._on) - round(taken * GiB)

    def _amount(self, cost: float, guess: float) -> int:
        """A column of 0 or more that costs something."""
        column = self._programme.amount(0.0 if self._evens else cost, guess)
        self._priced.append((column, cost))
        self._paid += cost * guess
        return column

    def _add_item(self, item: int, left_out: float) -> int | None:
        """Its choices; the column that says it has none, where that may be."""
        now = self._assignment[item]
        slots = [slot for host in self._hosts for slot in self._problem.slots(item, host)]
        if now is not None and now not in slots:
            slots.append(now)
        columns = []
        for slot in slots:
            need = self._problem.need(item, slot)
            if self._fits_alone(slot, need.peak):
                column = self._choice(self._problem.cost(item, slot), slot == now)
                columns.append((slot, column))
                for gpu, peak, high in zip(slot.gpus, need.peak, need.high, strict=True):
                    if (slot.host, gpu) in self._on:
                        use = _Use(item, column, peak / GiB, high / GiB, need.start / GiB)
                        self._on[slot.host, gpu].append(use)
        self._chosen[item] = columns
        none = None if self._leaves_out == 0 else self._choice(left_out, now is None)
        nothing = [] if none is None else [(none, 1.0)]
        self._programme.row([*nothing, *((column, 1.0) for _, column in columns)], least=1, most=1)
        return none

    def _fits_alone(self, slot: Slot, peak: tuple[int, ...]) -> bool:
        host = self._problem.hosts[slot.host]
        return all(size <= host.limit(gpu) for gpu, size in zip(slot.gpus, peak, strict=True))

    def _add_gpu(self, host: int, gpu: int, uses: Sequence[_Use], tight_cost: float) -> None:
        room, limit = self._problem.hosts[host].room[gpu] / GiB, self._problem.hosts[host].limit(gpu) / GiB
        peaks = [(use.column, use.peak) for use in uses]
        if any(use.start > 0 for use in uses):
            peaks.append((self._hardest_start(host, gpu, uses), 1.0))
        self._programme.row(peaks, most=limit)
        if limit > room or any(use.high > use.peak for use in uses):
            guess = self._loads.room(host, gpu, comfortably=True) < 0
            tight = self._choice(tight_cost, guess)
            everything = sum(use.high for use in uses)
            self._programme.row([*((use.column, use.high) for use in uses), (tight, -everything)], most=room)
            if limit > room:
                self._programme.row([*peaks, (tight, room - limit)], most=room)
        if self._knows_sets:
            self._add_sets(uses, self._problem.hosts[host].limit(gpu), self._loads.on[host][gpu])
        for together in self._problem.cuts_by_gpu.get((host, gpu), ()):
            columns = [(use.column, 1.0) for use in uses if use.item in together]
            self._programme.row(columns, most=len(together) - 1)

    def _add_sets(self, uses: Sequence[_Use], limit: int, there: Set[int]) -> None:
        """What is there is a mixture of the fullest sets the GPU holds.

        With whole numbers that says no more than the sum of the peaks; without, which is how bounds are found, much
        more (Gilmore and Gomory, 1961).
        """
        by_item: defaultdict[int, list[_Use]] = defaultdict(list)
        for use in uses:
            by_item[use.item].append(use)
        same = list(by_item.values())
        smallest = [min(round(use.peak * GiB) for use in each) for each in same]
        sets = fullest_sets(smallest, limit, _MOST_SETS, self._unused_bytes)
        if sets is None:
            return
        now = {position for position, each in enumerate(same) if each[0].item in there}
        guess = next((chosen for chosen in sets if now.issubset(chosen)), None)
        shares = [self._programme.amount(0.0, float(chosen is guess)) for chosen in sets]
        holding: defaultdict[int, list[int]] = defaultdict(list)
        for share, chosen in zip(shares, sets, strict=True):
            for position in chosen:
                holding[position].append(share)
        self._programme.row([(share, 1.0) for share in shares], most=1)
        for position, each in enumerate(same):
            terms = [(use.column, 1.0) for use in each] + [(share, -1.0) for share in holding[position]]
            self._programme.row(terms, most=0)

    def _hardest_start(self, host: int, gpu: int, uses: Sequence[_Use]) -> int:
        """A column that is at least what any start there takes beyond its own peak."""
        there = self._loads.on[host][gpu]
        hardest = self._programme.amount(0.0, max((use.start for use in uses if use.item in there), default=0.0))
        for use in uses:
            if use.start > 0:
                self._programme.row([(hardest, 1.0), (use.column, -use.start)], least=0)
        return hardest

    def _keep_apart(self, host: int) -> None:
        labelled: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        already: defaultdict[str, int] = defaultdict(int)
        for item, columns in self._chosen.items():
            this = self._problem.items[item]
            for label in this.apart:
                labelled[label] += [(column, 1.0) for slot, column in columns if slot.host == host]
                already[label] += this.home is not None and this.home.host == host
        for label, columns_there in labelled.items():
            if len(columns_there) > 1:
                self._programme.row(columns_there, most=max(1, already[label]))

    def _weigh_goals(self) -> None:
        goals, elsewhere = self._problem.goals, self._elsewhere()
        used = []
        for (host, gpu), uses in self._on.items():
            there = self._loads.on[host][gpu]
            for columns, worth, among in self._alike(uses):
                if worth:
                    self._at_most_one(columns, self._amount(worth, max(0, len(there & among) - 1)))
            if uses and (goals.free_gpu or goals.reserve):
                used.append(self._amount(goals.free_gpu, float(bool(there))))
                for use in uses:
                    self._programme.row([(used[-1], 1.0), (use.column, -1.0)], least=0)
        if goals.reserve:
            usable = sum(room > 0 for host in self._problem.hosts for room in host.room)
            taken = [gpu for gpu in elsewhere if self._loads.on[gpu[0]][gpu[1]]]
            left = usable - goals.reserve - len(taken)
            now = sum(bool(self._loads.on[host][gpu]) for host, gpu in self._on)
            lacking = self._amount(goals.RESERVED, max(0, now - left))
            self._programme.row([*((column, 1.0) for column in used), (lacking, -1.0)], most=left)
        if goals.even:
            fills = {gpu: min(1.0, self._loads.fill(*gpu)) for gpu in (*self._on, *elsewhere)}
            fullest = self._amount(10 * goals.even, max(fills.values()))
            self._programme.row([(fullest, 1.0)], least=max((fills[gpu] for gpu in elsewhere), default=0.0))
            self._hold_below(fullest)

    def _elsewhere(self) -> list[tuple[int, int]]:
        """The GPUs that are not this part's."""
        hosts = enumerate(self._problem.hosts)
        return [(n, gpu) for n, host in hosts if n not in self._hosts for gpu in range(len(host.room))]

    def _at_most_one(self, columns: Iterable[int], beyond: int) -> None:
        self._programme.row([*((column, 1.0) for column in columns), (beyond, -1.0)], most=1)

    def _hold_below(self, fullest: int) -> None:
        """No GPU is filled to a larger share than this column says."""
        for (host, gpu), uses in self._on.items():
            room = self._problem.hosts[host].room[gpu] / GiB
            if uses and room > 0:
                self._programme.row([*((use.column, use.high) for use in uses), (fullest, -room)], most=0)

    def cost_less(self) -> None:
        """Allow only what is better, so that the solver does not look for more of the same."""
        self._programme.row(self._priced, most=self._paid - _GAIN)

    def weigh_evenness(self) -> None:
        """Cost no more than the assignment does; of those, the fullest GPU and like neighbours cost."""
        self._programme.row(self._priced, most=self._paid + _ROUNDING)
        self._hold_below(self._programme.amount(100.0, 1.0))
        for (host, gpu), uses in self._on.items():
            if uses and self._problem.hosts[host].room[gpu] > 0:
                for columns, _, among in self._alike(uses):
                    together = len(self._loads.on[host][gpu] & among)
                    self._at_most_one(columns, self._programme.amount(1.0, max(0, together - 1)))

    def _alike(self, uses: Iterable[_Use]) -> list[tuple[list[int], float, set[int]]]:
        """(columns, what each beyond the first counts for, items) of those better kept apart: by role, and writing."""
        goals = self._problem.goals
        groups: defaultdict[tuple[str, float], list[_Use]] = defaultdict(list)
        for use in uses:
            this = self._problem.items[use.item]
            if this.role:
                groups[f"role {this.role}", goals.role_apart].append(use)
            if this.generates:
                groups["generates", goals.decode_apart].append(use)
        found = (
            ([use.column for use in group], worth, {use.item for use in group}) for (_, worth), group in groups.items()
        )
        return [group for group in found if len(group[2]) > 1]

    @property
    def is_impossible(self) -> bool:
        """Whether `solve` proved that there is no answer."""
        return self._programme.is_impossible

    def solve(self, seconds: float, goes_on: GoesOn) -> Answer | None:
        """Solve it; None where no answer was found in the time."""
        gap = _PERCENT if self._evens else _ROUNDING
        solution = self._programme.solve(seconds, goes_on, gap, presolves=not self._knows_sets)
        if solution is None:
            return None
        slots = list(self._assignment)
        for item, columns in self._chosen.items():
            slots[item] = next((slot for slot, column in columns if solution.values[column] > 0.5), None)
        return Answer(tuple(slots), solution.proved)
