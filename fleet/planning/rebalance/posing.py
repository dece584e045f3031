"""From a fleet and what is asked of it to a placement problem, sized by the real estimate of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fleet.errors import UsageError
from fleet.estimate import Estimate
from fleet.estimate.estimating import estimate
from fleet.estimate.trial import Trial
from fleet.findings import start_check
from fleet.findings.decoding import generates
from fleet.findings.placement import Placement
from fleet.hardware import Accelerator
from fleet.inventory.claims import claims
from fleet.model import GpuId, Model, Place
from fleet.planning.load_times import LoadTimes
from fleet.planning.rebalance.fitting import rungs
from fleet.planning.rebalance.loads import Loads
from fleet.planning.rebalance.problem import Host, Item, Need, Problem, Slot
from fleet.services.registry import service_of
from fleet.startup import ModelStart

_LAST_OF_ROLE = 0.25
"""By how much more it costs to restart the only model of a role, in restarts."""
_LONG_LOAD = 0.2
"""The same of a model that loads for `_LONG_SECONDS` or longer."""
_LONG_SECONDS = 600.0
_MANY_REQUESTS = 10
"""From which on a model is as busy as can be."""
_RESTARTS_ANYWAY = 0.05
_COPY = "copy of"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a fleet."""

    wanted: frozenset[str] = frozenset()
    """Disabled models to find a place for too."""
    kept: frozenset[str] = frozenset()
    """Models that stay where they are."""
    restarting: frozenset[str] = frozenset()
    """Models that will be restarted whatever is proposed."""
    requests: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Running or waiting now, by model."""
    emptied: frozenset[GpuId] = frozenset()
    """GPUs no model may stay on."""
    closed: frozenset[GpuId] = frozenset()
    """GPUs that keep what is on them and take nothing new."""
    only_empties: bool = False
    """Whether other GPUs may stay as they are, however full."""


def pose(now: Placement, question: Question) -> Problem:
    """The problem of a fleet: its enabled models, and those wanted, on all its GPUs."""
    hosts = tuple(_host(now, number, question.emptied) for number in range(len(now.inventory.hosts)))
    models = [m for m in now.inventory.models if (m.enabled and m.place) or m.name in question.wanted]
    roles = Counter(model.role for model in models)
    copies = Counter(_copy(model) for model in models)
    kinds = _kinds(now)
    names = {host.name: number for number, host in enumerate(hosts)}
    items = []
    for model in models:
        item = _item(now, model, question, kinds, names)
        extra = _LAST_OF_ROLE if model.role and roles[model.role] == 1 else 0.0
        labels = item.apart
        if _copy(model) and 1 < copies[_copy(model)] <= len(hosts):
            labels = labels | {_copy(model)}
        items.append(replace(item, restart=item.restart + extra, apart=labels))
    shared = Counter(label for item in items for label in item.apart)
    items = [replace(item, apart=frozenset(label for label in item.apart if shared[label] > 1)) for item in items]
    posed = Problem(hosts, tuple(items), goals=now.inventory.policy.goals)
    problem = _with_limits(now, posed, question.emptied)
    if question.only_empties:
        problem = _tolerant(problem)
    return _shut(now, problem, question.closed) if question.closed else problem


def without_copies_apart(problem: Problem) -> Problem:
    """The same problem, copies of one model on one host allowed."""
    items = tuple(
        replace(item, apart=frozenset(label for label in item.apart if not label.startswith(_COPY)))
        for item in problem.items
    )
    return replace(problem, items=items)


def _host(now: Placement, number: int, emptied: Collection[GpuId]) -> Host:
    host = now.inventory.hosts[number]
    outlooks = [now.outlooks[gpu] for gpu in host.gpu_ids]
    limits = tuple(
        -1 if gpu in emptied else outlook.total_bytes - outlook.driver_bytes
        for gpu, outlook in zip(host.gpu_ids, outlooks, strict=True)
    )
    headroom = now.inventory.policy.headroom_bytes or 0
    room = tuple(limit if limit < 0 else max(0, limit - headroom) for limit in limits)
    return Host(host.name, _Kind.of(now, number).name, room, limits if headroom else ())


@dataclass(frozen=True, slots=True)
class _Kind:
    """Hosts on which a model takes the same."""

    accelerator: Accelerator
    total_bytes: int
    """Of their smallest GPU."""
    gpus: int

    @classmethod
    def of(cls, now: Placement, number: int) -> _Kind:
        """The kind of the fleet's n-th host."""
        host = now.inventory.hosts[number]
        return cls(host.accelerator, min(now.outlooks[gpu].total_bytes for gpu in host.gpu_ids), host.gpus)

    @property
    def name(self) -> str:
        """What hosts of a kind have in common, however many GPUs they have."""
        return f"{self.accelerator.name} of {self.total_bytes}"


def _kinds(now: Placement) -> tuple[_Kind, ...]:
    """One of each, the one with most GPUs."""
    kinds = {_Kind.of(now, number) for number in range(len(now.inventory.hosts))}
    largest = {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.gpus)}
    return tuple(largest.values())


def _item(now: Placement, model: Model, question: Question, kinds: Sequence[_Kind], hosts: Mapping[str, int]) -> Item:
    home = Slot(hosts[model.place.host], model.place.gpus) if model.enabled and model.place else None
    present = now.estimates.get(model.name) if home else None
    needs = _needs(now, model, present, kinds)
    seconds = LoadTimes().of(model.name, model.place.host, present).seconds if present and model.place else 0.0
    busy = min(1.0, question.requests.get(model.name, 0) / _MANY_REQUESTS)
    goals = now.inventory.policy.goals
    restart = goals.restart_of.get(model.role or "", 1.0)
    restart += _LONG_LOAD * min(1.0, seconds / _LONG_SECONDS) + goals.busy * busy
    return Item(
        name=model.name,
        gpus=_width(model),
        needs=needs,
        smaller=_smaller(now, model, needs, kinds),
        home=home,
        need_at_home=_need(present, now.accelerator_of(model)) if present else None,
        restart=_RESTARTS_ANYWAY if model.name in question.restarting else restart,
        fixed=home is not None
        and (model.pinned or model.name in question.kept or not _is_drivable(now, model) or not needs),
        apart=frozenset(claim.what for claim in claims(Place("it", (0,)), model.url, model.service)),
        role=model.role,
        generates=generates(model),
    )


def _width(model: Model) -> int:
    return len(model.place.gpus) if model.place else model.args.ranks


def _needs(now: Placement, model: Model, present: Estimate | None, kinds: Sequence[_Kind]) -> Mapping[str, Need]:
    """What it takes alone on each kind of host of the vendor it runs on, if it starts there as it does now."""
    reason = present.refusal.reason if present and present.refusal else None
    vendor = now.accelerator_of(model).vendor if present else None
    width = _width(model)
    found: dict[str, Need] = {}
    for kind in kinds:
        if vendor not in (None, kind.accelerator.vendor) or width > kind.gpus:
            continue
        alone = estimate(
            replace(model, place=None),
            kind.accelerator,
            totals=(kind.total_bytes,) * width,
            recorded=now.recorded(model),
        )
        if alone.refusal is None or alone.refusal.reason is reason:
            found[kind.name] = _need(alone, kind.accelerator)
    return found


def _smaller(
    now: Placement, model: Model, needs: Collection[str], kinds: Sequence[_Kind]
) -> tuple[Mapping[str, Need], ...]:
    """What it takes on each of these kinds of host on each rung down."""
    found: list[dict[str, Need]] = []
    for kind in kinds if model.least else ():
        if kind.name not in needs:
            continue
        alone = trial_on(model, kind.accelerator, kind.total_bytes, now.recorded(model))
        for rung, arguments in enumerate(rungs(alone)):
            if rung == len(found):
                found.append({})
            found[rung][kind.name] = _need(alone.given(arguments).estimate(), kind.accelerator)
    return tuple(found)


def trial_on(model: Model, accelerator: Accelerator, total: int, recorded: ModelStart | None) -> Trial:
    """The model alone on GPUs of that many bytes, with what a start of it measured."""
    width = _width(model)
    return Trial(replace(model, place=None), accelerator, (total,) * width, (0,) * width, recorded=recorded)


def _need(reckoned: Estimate, accelerator: Accelerator) -> Need:
    peak = tuple(share.total_bytes for share in reckoned.shares)
    insists = reckoned.needs_free_bytes
    start = 0 if insists is None else max(0, insists + accelerator.context_bytes - min(peak))
    return Need(peak, tuple(max(share.high_bytes, share.total_bytes) for share in reckoned.shares), start)


def _is_drivable(now: Placement, model: Model) -> bool:
    """Whether a plan can restart it."""
    assert model.place is not None, "it runs"
    try:
        return service_of(model, now.host(model.place.host).become) is not None
    except UsageError:
        return False


def _copy(model: Model) -> str:
    """What copies of one model have in common; empty where nobody knows."""
    return f"{_COPY} {model.source} for {model.role}" if model.source else ""


def _with_limits(now: Placement, problem: Problem, emptied: Collection[GpuId]) -> Problem:
    """The same problem, GPUs that hold what is on them, though not at its peak, limited to that."""
    refused = {finding.gpu for finding in start_check.find(now)}
    hosts = []
    for host, held in zip(problem.hosts, _held(problem, comfortably=False), strict=True):
        gpus = now.host(host.name).gpu_ids
        rests = [now.outlooks[gpu].resident_bytes <= now.outlooks[gpu].total_bytes for gpu in gpus]
        kept = [
            held[gpu.index] if rests[gpu.index] and gpu not in refused and gpu not in emptied else 0 for gpu in gpus
        ]
        limits = tuple(max(host.limit(gpu), size) for gpu, size in enumerate(kept))
        hosts.append(replace(host, limits=() if limits == host.room else limits))
    return replace(problem, hosts=tuple(hosts))


def _tolerant(problem: Problem) -> Problem:
    """The same problem with room for what every GPU holds now, but for those to be emptied."""
    hosts = []
    for host, held in zip(problem.hosts, _held(problem, comfortably=True), strict=True):
        room = tuple(size if size < 0 else max(size, now) for size, now in zip(host.room, held, strict=True))
        limits = tuple(max(pair) for pair in zip(room, host.limits or room, strict=True))
        hosts.append(replace(host, room=room, limits=limits))
    return replace(problem, hosts=tuple(hosts))


def _shut(now: Placement, problem: Problem, closed: Collection[GpuId]) -> Problem:
    """The same problem with room on these GPUs for what they hold and no more, and whoever is there kept."""
    shut = [{gpu.index for gpu in now.host(host.name).gpu_ids if gpu in closed} for host in problem.hosts]
    items = tuple(
        replace(item, fixed=item.fixed or (item.home is not None and bool(shut[item.home.host] & set(item.home.gpus))))
        for item in problem.items
    )
    hosts = []
    for number, (host, held) in enumerate(zip(problem.hosts, _held(problem, comfortably=True), strict=True)):
        room = tuple(held[gpu] if gpu in shut[number] else size for gpu, size in enumerate(host.room))
        limits = tuple(held[gpu] if gpu in shut[number] else host.limit(gpu) for gpu in range(len(room)))
        hosts.append(replace(host, room=room, limits=() if limits == room else limits) if shut[number] else host)
    return replace(problem, hosts=tuple(hosts), items=items)


def _held(problem: Problem, *, comfortably: bool) -> list[list[int]]:
    """Of each GPU of each host, what it is to hold for its present models; nothing where it has none."""
    loads = Loads(problem, [item.home for item in problem.items])
    return [
        [
            (host.room[gpu] if comfortably else host.limit(gpu)) - loads.room(number, gpu, comfortably=comfortably)
            for gpu in range(len(host.room))
        ]
        for number, host in enumerate(problem.hosts)
    ]
