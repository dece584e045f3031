"""How few restarts a better placement costs, and how soon it is known: 8, 256 and 1,000 GPUs.

Run with ``python tests/benchmarks/rebalance.py [small] [large] [huge]``; without a word, all three.

Each scenario is a fleet of eight-GPU hosts about 80 % full (on one host, 85 %), drawn from its seed: models over 1, 2,
4 or 8 GPUs, a quarter of them with copies on other hosts. Then 15 % of the models grow by 10 to 40 %, so that GPUs are
too full, and one model in twenty is new and has no place yet. ``bound`` is what no answer restarts fewer than.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from statistics import mean, median

from fleet.planning.rebalance import exact
from fleet.planning.rebalance.greedy import repair
from fleet.planning.rebalance.loads import score
from fleet.planning.rebalance.problem import Host, Item, Need, Problem, Slot
from fleet.planning.rebalance.search import search
from fleet.units import MiB

GPUS_PER_HOST = 8
MIB_PER_GPU = 192_496
"""Of an MI300X, 4 GiB kept back."""
WIDTHS = (1, 2, 4, 8)
KIND = "MI300X"


@dataclass(frozen=True)
class Resident:
    """A model of a scenario: which it is a copy of, what it takes on each of its GPUs (MiB), where it runs."""

    original: int
    width: int
    mib: int
    at: Slot | None


def drawn(gpus: int, models: int, seed: int, fill: float = 0.8, growing: float = 0.15) -> list[Resident]:
    """A fleet as it runs, after some of its models have grown and others have been added."""
    rng = Random(seed)
    residents = _at_first(rng, gpus, models, fill)
    grown = [
        replace(each, mib=min(int(each.mib * rng.uniform(1.1, 1.4)), int(MIB_PER_GPU * 0.95)))
        if rng.random() < growing
        else each
        for each in residents
    ]
    new = set(rng.sample(range(len(grown)), max(1, len(grown) // 20)))
    return [replace(each, at=None) if number in new else each for number, each in enumerate(grown)]


def _at_first(rng: Random, gpus: int, models: int, fill: float) -> list[Resident]:
    hosts = gpus // GPUS_PER_HOST
    free = [[MIB_PER_GPU] * GPUS_PER_HOST for _ in range(hosts)]
    usual = fill * MIB_PER_GPU * gpus / models
    residents: list[Resident] = []
    for original in range(60 * models):
        if len(residents) >= models:
            break
        width = rng.choices(WIDTHS, (70, 18, 8, 4) if gpus > GPUS_PER_HOST else (80, 15, 5, 0))[0]
        total = min(max(rng.lognormvariate(0, 0.6) * usual, 4096 * width), MIB_PER_GPU * width * 0.9)
        copies = rng.choices((1, 2, 3), (75, 20, 5))[0] if hosts > 3 else 1
        if len(residents) + copies > models:
            copies = 1
        slots = _free_slots(rng, free, width, int(total / width), copies)
        if len(slots) == copies:
            for slot in slots:
                residents.append(Resident(original, width, int(total / width), slot))
                for gpu in slot.gpus:
                    free[slot.host][gpu] -= int(total / width)
    return residents


def _free_slots(rng: Random, free: list[list[int]], width: int, mib: int, copies: int) -> list[Slot]:
    """One slot on each of as many hosts as there are copies; fewer where they are not to be had."""
    hosts = list(range(len(free)))
    rng.shuffle(hosts)
    found: list[Slot] = []
    for host in hosts:
        blocks = [tuple(range(first, first + width)) for first in range(0, GPUS_PER_HOST, width)]
        rng.shuffle(blocks)
        block = next((block for block in blocks if all(free[host][gpu] >= mib for gpu in block)), None)
        if block:
            found.append(Slot(host, block))
        if len(found) == copies:
            break
    return found


def posed(gpus: int, residents: Iterable[Resident]) -> Problem:
    """The scenario as a problem."""
    residents = list(residents)
    copies = Counter(each.original for each in residents)
    hosts = tuple(
        Host(f"gpu{number:03}", KIND, (MIB_PER_GPU * MiB,) * GPUS_PER_HOST) for number in range(gpus // GPUS_PER_HOST)
    )
    items = []
    for number, each in enumerate(residents):
        sizes = (each.mib * MiB,) * each.width
        apart = frozenset({f"copy of {each.original}"} if copies[each.original] > 1 else ())
        items.append(Item(f"model-{number}", each.width, {KIND: Need(sizes, sizes)}, each.at, apart=apart))
    return Problem(hosts, tuple(items))


def one_host(seeds: int = 50) -> None:
    """8 GPUs and 20 models: how soon the optimum is proved, and what greedy repair makes of the same."""
    greedy_ms, seconds, gaps, left_over, greedy_left, fewer = [], [], [], 0, 0, 0
    proved = Counter({2: 0, 30: 0})
    for seed in range(seeds):
        problem = posed(8, drawn(8, 20, seed))
        began = time.perf_counter()
        repaired = repair(problem)
        greedy = score(problem, repaired)
        greedy_ms.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        answer = exact.best(problem, repaired, 30.0, lambda: True)
        seconds.append(time.perf_counter() - began)
        assert answer, "the repair is an answer already"
        best = score(problem, answer.assignment)
        proved.update(limit for limit in proved if answer.proved and seconds[-1] <= limit)
        left_over += best.unplaced
        greedy_left += greedy.unplaced
        fewer += best[:3] < greedy[:3]
        if greedy.unplaced == best.unplaced:
            gaps.append(greedy.restarts - best.restarts)
    print(f"8 GPUs, 20 models, {seeds} seeds")
    print(f"  optimum proved         {proved[2]} of {seeds} in 2 s, {proved[30]} in 30 s")
    print(f"  seconds                median {median(seconds):.2f}, worst {max(seconds):.2f}")
    print(f"  models without a place {left_over}, greedy {greedy_left}")
    print(f"  greedy: milliseconds   median {median(greedy_ms):.1f}, worst {max(greedy_ms):.1f}")
    print(f"  greedy: worse in       {fewer} of {seeds}; where it leaves out no more, {mean(gaps):.2f} restarts more")


def many_hosts(gpus: int, models: int, seeds: Iterable[int], seconds: float) -> None:
    """A fleet: restarts by greedy repair, by the search, and the bound."""
    print(f"{gpus:,} GPUs, {models:,} models, at most {seconds:.0f} s")
    print(f"  {'seed':>4} {'bound':>6} {'greedy':>7} {'in s':>6} {'search':>7} {'in s':>6} {'left out':>9}")
    for seed in seeds:
        problem = posed(gpus, drawn(gpus, models, seed))
        began = time.perf_counter()
        greedy = score(problem, repair(problem))
        greedy_seconds = time.perf_counter() - began
        began = time.perf_counter()
        found = search(problem, seconds)
        took = time.perf_counter() - began
        best = score(problem, found.assignment)
        print(
            f"  {seed:>4} {found.fewest_restarts:>6.0f} {greedy.restarts:>7.0f} {greedy_seconds:>6.2f} "
            f"{best.restarts:>7.0f} {took:>6.1f} {best.unplaced:>9}",
            flush=True,
        )


def main(words: list[str]) -> None:
    """Run the parts that are named."""
    if not words or "small" in words:
        one_host()
    if not words or "large" in words:
        many_hosts(256, 500, (0, 1, 2), 20.0)
    if not words or "huge" in words:
        many_hosts(1000, 2000, (0,), 5.0)
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
