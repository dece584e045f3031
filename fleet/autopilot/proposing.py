"""From wishes to one act at a time: which model, where, what makes room for it, and why; or why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fleet.autopilot.limits import Acts
from fleet.autopilot.situation import Situation
from fleet.autopilot.wishing import Wish, wishes
from fleet.estimate.estimating import estimate
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, apply
from fleet.model import GpuId, Model
from fleet.planning.carry import Hand, best_fit
from fleet.planning.load_times import LoadTimes
from fleet.startup import ModelStart

_MOST_TRIED = 24
"""GPUs that are asked whether a model fits there, those with most room first."""
_MOST_EVICTED = 3
_LAST_OF_ROLE = 4.0
"""A role's last model is so much more costly to lose than another of the same load time."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the hosts, and not of the fleet file."""

    totals: Mapping[GpuId, int] = field(default_factory=lambda: MappingProxyType({}))
    """Measured bytes of GPUs."""
    starts: Mapping[str, ModelStart] = field(default_factory=lambda: MappingProxyType({}))
    """What starts of models measured, by name."""
    cordoned: Collection[GpuId] = ()
    loads: LoadTimes = field(default_factory=LoadTimes)
    """How long models take to load."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something the autopilot would do."""

    subject: str
    changes: tuple[Change, ...]
    sentence: str
    """What and why."""

    @property
    def models(self) -> tuple[str, ...]:
        """Those that are started or stopped for it."""
        return tuple(dict.fromkeys(change.model for change in self.changes))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the autopilot would do now, and what it would do if it could."""

    act: Act | None
    declined: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Why not, as a sentence, by the subject of each wish that stays open."""


def propose(now: Situation, circumstances: Circumstances, acts: Acts) -> Proposal:
    """The first wish that can be fulfilled: acts change what all others rest on."""
    declined: dict[str, str] = {}
    settle = now.autopilot.settle_seconds
    for asked in wishes(now):
        rested = tuple(name for name in asked.models if now.at >= acts.rests_until(name, settle))
        if now.at < acts.rests_until(asked.subject, settle) or not rested:
            continue
        wish = replace(asked, models=rested)
        act = _unloading(wish) if not wish.loads else _loading(wish, now, circumstances)
        if act is None:
            declined[wish.subject] = f"{' or '.join(wish.models)} would be loaded, and fits nowhere: {wish.reason}."
        elif waits := _waits(act, now, acts):
            declined[wish.subject] = f"{waits}, so this waits: {act.sentence}"
        else:
            return Proposal(act, declined)
    return Proposal(None, declined)


def _waits(act: Act, now: Situation, acts: Acts) -> str:
    """Which limit of the operators' it has to wait for, as a clause; empty where for none."""
    windows = now.inventory.policy.windows
    if windows is not None and not windows.open_at(now.at):
        return f"No maintenance window is open before {windows.words(windows.next_opening(now.at))}"
    if acts.in_last_hour(now.at) + len(act.models) > now.autopilot.acts_per_hour:
        return f"acts_per_hour: {now.autopilot.acts_per_hour} is reached"
    return ""


def _unloading(wish: Wish) -> Act:
    name = wish.models[0]
    return Act(wish.subject, (Disable(name),), f"Unload {name}: {wish.reason}.")


def _loading(wish: Wish, now: Situation, circumstances: Circumstances) -> Act | None:
    """With the model that needs least room made; of equals the first."""
    cheapest = _cheapest(now, circumstances)
    barred = now.unread.union(circumstances.cordoned)
    for evicted in range(min(_MOST_EVICTED, len(cheapest)) + 1):
        leaving = cheapest[:evicted]
        room = tuple(Disable(other.name) for other in leaving)
        without = apply(now.inventory, room)
        roomiest = _roomiest(without, circumstances, barred)
        for name in wish.models:
            model = now.inventory.model(name)
            placed = _placed(model, without, circumstances, barred, roomiest)
            if placed:
                where = next((str(change.place) for change in placed if isinstance(change, Move)), str(model.place))
                gone = f", in place of {' and '.join(other.name for other in leaving)}" if leaving else ""
                return Act(wish.subject, (*room, *placed), f"Load {name} on {where}{gone}: {wish.reason}.")
    return None


def _cheapest(now: Situation, circumstances: Circumstances) -> list[Model]:
    """Who may leave for another, the least loss first: load time times what its role loses."""

    def cost(other: Model) -> float:
        assert other.place is not None, "what is enabled has a place"
        reckoned = estimate(other, now.inventory.host(other.place.host).accelerator)
        seconds = circumstances.loads.of(other.name, other.place.host, reckoned).seconds
        return seconds * (_LAST_OF_ROLE if other.role and now.count(other.role) == 1 else 1.0)

    return sorted(now.evictable, key=cost)


def _placed(
    model: Model,
    inventory: Inventory,
    circumstances: Circumstances,
    barred: frozenset[GpuId],
    roomiest: Sequence[GpuId],
) -> tuple[Change, ...]:
    """Where the model runs by its own entry if it may, else where most room is left; none where it fits nowhere."""
    hand = Hand(inventory, (model,), circumstances.totals, circumstances.starts, cordoned=barred)
    own: tuple[Change, ...] = (Enable(model.name),)
    if model.place and barred.isdisjoint(model.place.gpu_ids) and hand.judged(own).possible:
        return own
    verdicts = {gpu: hand.verdict(gpu) for gpu in roomiest}
    best = best_fit(verdicts)
    return verdicts[best.gpu].changes if best else ()


def _roomiest(inventory: Inventory, circumstances: Circumstances, barred: frozenset[GpuId]) -> list[GpuId]:
    from fleet.findings.assess import assess

    outlooks = assess(inventory, totals=circumstances.totals, starts=circumstances.starts, with_fixes=False).outlooks
    open_gpus = (gpu for gpu in inventory.gpu_ids if gpu not in barred)
    rooms = sorted(open_gpus, key=lambda gpu: outlooks[gpu].resident_bytes - outlooks[gpu].total_bytes)
    return rooms[:_MOST_TRIED]
