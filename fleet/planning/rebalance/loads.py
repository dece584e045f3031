"""An assignment weighed: what it puts on every GPU, what is wrong with it, and how good it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from fleet.planning.rebalance.problem import Assignment, Problem, Score, Slot


class Loads:
    """An assignment under way, with what it puts on every GPU."""

    def __init__(self, problem: Problem, assignment: Sequence[Slot | None] = ()) -> None:
        """Begin with these slots; with none, where nothing is given."""
        self.problem = problem
        self.slots: list[Slot | None] = [None] * len(problem.items)
        self.peak = [[0] * len(host.room) for host in problem.hosts]
        self.high = [[0] * len(host.room) for host in problem.hosts]
        self.on: list[list[set[int]]] = [[set() for _ in host.room] for host in problem.hosts]
        self.labels: list[defaultdict[str, int]] = [defaultdict(int) for _ in problem.hosts]
        for item, slot in enumerate(assignment):
            if slot is not None:
                self.put(item, slot)

    @property
    def assignment(self) -> Assignment:
        """The slots as they stand."""
        return tuple(self.slots)

    def put(self, item: int, slot: Slot) -> None:
        """Give a slot to an item that has none."""
        self._shift(item, slot, 1)
        self.slots[item] = slot
        for gpu in slot.gpus:
            self.on[slot.host][gpu].add(item)

    def take(self, item: int) -> Slot:
        """Take an item out of its slot."""
        slot = self.slots[item]
        assert slot is not None, "only what is placed is taken"
        self._shift(item, slot, -1)
        self.slots[item] = None
        for gpu in slot.gpus:
            self.on[slot.host][gpu].discard(item)
        return slot

    def _shift(self, item: int, slot: Slot, sign: int) -> None:
        need = self.problem.need(item, slot)
        for position, gpu in enumerate(slot.gpus):
            self.peak[slot.host][gpu] += sign * need.peak[position]
            self.high[slot.host][gpu] += sign * need.high[position]
        for label in self.problem.items[item].apart:
            self.labels[slot.host][label] += sign

    def room(self, host: int, gpu: int, *, comfortably: bool) -> int:
        """Bytes left on a GPU once its neighbours' peaks, and the start that takes most, have theirs."""
        hardest = max((self._start(item) for item in self.on[host][gpu]), default=0)
        room, peak = self.problem.hosts[host].room[gpu], self.peak[host][gpu] + hardest
        return room - max(peak, self.high[host][gpu]) if comfortably else self.problem.hosts[host].limit(gpu) - peak

    def fill(self, host: int, gpu: int) -> float:
        """The share of a GPU's room that is taken at the high end of the estimates."""
        return self.high[host][gpu] / max(1, self.problem.hosts[host].room[gpu])

    def more_missed(self, item: int, slot: Slot) -> float:
        """What an item counts for in a slot beyond its restart: neighbours like it, and GPUs that were empty."""
        goals, this = self.problem.goals, self.problem.items[item]
        found = 0.0
        for gpu in slot.gpus:
            there = [self.problem.items[other] for other in self.on[slot.host][gpu]]
            found += goals.role_apart * any(this.role and other.role == this.role for other in there)
            found += goals.decode_apart * (this.generates and any(other.generates for other in there))
            found += (goals.free_gpu + bool(goals.reserve)) * (not there)
        return found

    def _start(self, item: int) -> int:
        slot = self.slots[item]
        return self.problem.need(item, slot).start if slot else 0

    def wrong(self, host: int, gpu: int, *, comfortably: bool) -> bool:
        """Whether what is on a GPU cannot be there together."""
        if self.on[host][gpu] and self.room(host, gpu, comfortably=comfortably) < 0:
            return True
        return any(cut <= self.on[host][gpu] for cut in self.problem.cuts_by_gpu.get((host, gpu), ()))

    def after(self, item: int, slot: Slot, *, comfortably: bool) -> int | None:
        """Bytes left on the fullest GPU of a slot if an item without one came there; None where it cannot."""
        apart, labels = self.problem.items[item].apart, self.labels[slot.host]
        if apart and any(labels[label] > 0 for label in apart):
            return None
        need, host = self.problem.need(item, slot), self.problem.hosts[slot.host]
        least: int | None = None
        for position, gpu in enumerate(slot.gpus):
            peak, high = (
                self.peak[slot.host][gpu] + need.peak[position],
                self.high[slot.host][gpu] + need.high[position],
            )
            limit = host.room[gpu] if comfortably else host.limit(gpu)
            if peak > limit or (comfortably and high > limit):
                return None
            peak += max(need.start, max((self._start(other) for other in self.on[slot.host][gpu]), default=0))
            left = limit - (max(peak, high) if comfortably else peak)
            if left < 0 or self._cut(item, slot.host, gpu):
                return None
            least = left if least is None else min(least, left)
        return least

    def _cut(self, item: int, host: int, gpu: int) -> bool:
        sets = self.problem.cuts_by_gpu.get((host, gpu), ())
        return any(item in cut and cut <= {item, *self.on[host][gpu]} for cut in sets)


def settled(problem: Problem, assignment: Assignment) -> Assignment:
    """The assignment with everything that found no slot back at home, and whoever had come in its place too.

    What stays on a GPU that is too full is then at most what is there now.
    """
    loads = Loads(problem, assignment)
    back = [i for i, slot in enumerate(assignment) if slot is None and problem.items[i].home]
    while back:
        item = back.pop()
        home = problem.items[item].home
        if loads.slots[item] is not None:
            loads.take(item)
        if home is None:
            continue
        loads.put(item, home)
        for gpu in home.gpus:
            if loads.wrong(home.host, gpu, comfortably=False):
                back += [i for i in loads.on[home.host][gpu] if loads.slots[i] != problem.items[i].home]
        back = list(dict.fromkeys(back))
    return loads.assignment


def left_over(problem: Problem, assignment: Assignment) -> list[int]:
    """The items that have no slot, or are on a GPU that cannot hold what is on it."""
    loads = Loads(problem, assignment)
    found = [i for i, slot in enumerate(assignment) if slot is None]
    for host, rooms in enumerate(loads.on):
        for gpu, items in enumerate(rooms):
            if loads.wrong(host, gpu, comfortably=False):
                found += items
    return sorted(set(found))


def score(problem: Problem, assignment: Assignment) -> Score:
    """How good a settled assignment is."""
    loads = Loads(problem, assignment)
    tight, fullest, neighbours = 0, 0.0, 0
    for number, host in enumerate(problem.hosts):
        for gpu in range(len(host.room)):
            on = loads.on[number][gpu]
            if not on:
                continue
            tight += loads.room(number, gpu, comfortably=True) < 0
            fullest = max(fullest, loads.fill(number, gpu))
            neighbours += sum(alike(problem, on))
    restarts = sum(problem.cost(i, slot) for i, slot in enumerate(assignment) if slot)
    return Score(len(left_over(problem, assignment)), tight, restarts + missed(loads), 100 * fullest + neighbours)


def missed(loads: Loads) -> float:
    """What the goals that an assignment misses count for, in restarts."""
    problem, goals = loads.problem, loads.problem.goals
    if not goals.beyond_restarts:
        return 0.0
    gpus = [(host, gpu) for host, each in enumerate(loads.on) for gpu in range(len(each))]
    used = sum(bool(loads.on[host][gpu]) for host, gpu in gpus)
    usable = sum(problem.hosts[host].room[gpu] > 0 for host, gpu in gpus)
    found = goals.free_gpu * used + goals.RESERVED * max(0, goals.reserve - (usable - used))
    if goals.even:
        found += 10 * goals.even * min(1.0, max((loads.fill(host, gpu) for host, gpu in gpus), default=0.0))
    if goals.role_apart or goals.decode_apart:
        for host, gpu in gpus:
            roles, writing = alike(problem, loads.on[host][gpu])
            found += goals.role_apart * roles + goals.decode_apart * writing
    return found


def alike(problem: Problem, on: Iterable[int]) -> tuple[int, int]:
    """How many of a GPU's items share a role, and how many memory bandwidth, beyond the first."""
    items = [problem.items[i] for i in on]
    roles = [item.role for item in items if item.role]
    return len(roles) - len(set(roles)), max(0, sum(item.generates for item in items) - 1)
