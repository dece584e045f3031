"""What an answer is worth beyond its restarts: the operators' goals, and among equals an even fill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fleet.planning.rebalance.part import Part, Use
from fleet.units import GiB


def weigh_goals(part: Part) -> None:
    """What the operators' goals count for, where they are missed."""
    goals = part.problem.goals
    if goals.role_apart or goals.decode_apart:
        _weigh_neighbours(part)
    if goals.free_gpu or goals.reserve:
        _weigh_use(part)
    if goals.even:
        _weigh_fill(part)


def weigh_evenness(part: Part) -> None:
    """Cost no more than the assignment does; of those, the fullest GPU and like neighbours cost."""
    part.cost_no_more()
    _hold_below(part, part.programme.amount(100.0, 1.0))
    for (host, gpu), uses in part.uses.items():
        if uses and part.problem.hosts[host].room[gpu] > 0:
            for columns, _, among in _alike(part, uses):
                together = len(part.loads.on[host][gpu] & among)
                _at_most_one(part, columns, part.programme.amount(1.0, max(0, together - 1)))


def _weigh_neighbours(part: Part) -> None:
    """Each model of a role, or that writes text, beyond the first of a GPU."""
    for (host, gpu), uses in part.uses.items():
        for columns, worth, among in _alike(part, uses):
            if worth:
                beyond = max(0, len(part.loads.on[host][gpu] & among) - 1)
                _at_most_one(part, columns, part.amount(worth, beyond))


def _weigh_use(part: Part) -> None:
    """Each GPU that is not left empty, and each that is lacking for trials."""
    goals = part.problem.goals
    used = []
    for (host, gpu), uses in part.uses.items():
        if uses:
            used.append(part.amount(goals.free_gpu, float(bool(part.loads.on[host][gpu]))))
            for use in uses:
                part.programme.row([(used[-1], 1.0), (use.column, -1.0)], least=0)
    usable = sum(room > 0 for host in part.problem.hosts for room in host.room)
    taken = sum(bool(part.loads.on[host][gpu]) for host, gpu in _elsewhere(part))
    left = usable - goals.reserve - taken
    now = sum(bool(part.loads.on[host][gpu]) for host, gpu in part.uses)
    lacking = part.amount(goals.RESERVED, max(0, now - left))
    part.programme.row([*((column, 1.0) for column in used), (lacking, -1.0)], most=left)


def _weigh_fill(part: Part) -> None:
    """The share to which the fullest GPU is filled."""
    fills = {gpu: min(1.0, part.loads.fill(*gpu)) for gpu in (*part.uses, *_elsewhere(part))}
    fullest = part.amount(10 * part.problem.goals.even, max(fills.values()))
    part.programme.row([(fullest, 1.0)], least=max((fills[gpu] for gpu in _elsewhere(part)), default=0.0))
    _hold_below(part, fullest)


def _elsewhere(part: Part) -> list[tuple[int, int]]:
    """The GPUs that are not this part's."""
    hosts = enumerate(part.problem.hosts)
    return [(n, gpu) for n, host in hosts if n not in part.hosts for gpu in range(len(host.room))]


def _at_most_one(part: Part, columns: Iterable[int], beyond: int) -> None:
    part.programme.row([*((column, 1.0) for column in columns), (beyond, -1.0)], most=1)


def _hold_below(part: Part, fullest: int) -> None:
    """No GPU is filled to a larger share than this column says."""
    for (host, gpu), uses in part.uses.items():
        room = part.problem.hosts[host].room[gpu] / GiB
        if uses and room > 0:
            part.programme.row([*((use.column, use.high) for use in uses), (fullest, -room)], most=0)


def _alike(part: Part, uses: Iterable[Use]) -> list[tuple[list[int], float, set[int]]]:
    """(columns, what each beyond the first counts for, items) of those better kept apart: by role, and writing."""
    goals = part.problem.goals
    groups: defaultdict[tuple[str, float], list[Use]] = defaultdict(list)
    for use in uses:
        this = part.problem.items[use.item]
        if this.role:
            groups[f"role {this.role}", goals.role_apart].append(use)
        if this.generates:
            groups["generates", goals.decode_apart].append(use)
    found = (
        ([use.column for use in group], worth, {use.item for use in group}) for (_, worth), group in groups.items()
    )
    return [group for group in found if len(group[2]) > 1]
