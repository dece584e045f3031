"""How few restarts any answer can do with."""

from __future__ import annotations

from collections import defaultdict

from fleet.planning.rebalance.loads import Loads
from fleet.planning.rebalance.mixed_integer import Programme
from fleet.planning.rebalance.problem import Problem
from fleet.units import GiB

_SECONDS = 1.0


def fewest_restarts(problem: Problem) -> tuple[float, ...]:
    """Of each host, the cheapest items to take off so that its GPUs hold the rest, wherever those go; weighted.

    No answer that leaves nothing out and no GPU tight restarts less than their sum.
    """
    loads = Loads(problem, [item.home for item in problem.items])
    homes: defaultdict[int, list[int]] = defaultdict(list)
    for number, item in enumerate(problem.items):
        if item.home:
            homes[item.home.host].append(number)
    return tuple(
        _fewest(problem, host, homes[host]) if _is_wrong(loads, host) else 0.0 for host in range(len(problem.hosts))
    )


def _is_wrong(loads: Loads, host: int) -> bool:
    return any(loads.wrong(host, gpu, comfortably=True) for gpu in range(len(loads.problem.hosts[host].room)))


def _fewest(problem: Problem, host: int, items: list[int]) -> float:
    programme = Programme()
    on: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for number in items:
        item = problem.items[number]
        assert item.home is not None, "at home here"
        leaves = programme.choice(item.restart, True)
        for gpu, high in zip(item.home.gpus, problem.need(number, item.home).high, strict=True):
            on[gpu].append((leaves, high / GiB))
    for gpu, terms in on.items():
        held = sum(size for _, size in terms)
        programme.row(terms, least=held - problem.hosts[host].room[gpu] / GiB)
    solution = programme.solve(_SECONDS, lambda: True, 1e-6)
    return solution.cost if solution and solution.proved else 0.0
