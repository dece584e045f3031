"""From wishes to one act at a time: which model, where, what makes room for it, and why; or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fleet.autopilot.limits import Acts
from fleet.autopilot.placing import Circumstances, Places
from fleet.autopilot.situation import Situation
from fleet.autopilot.wishing import Wish, wishes
from fleet.inventory.changes import Change, Disable


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
    places = Places(now, circumstances)
    settle = now.autopilot.settle_seconds
    for asked in wishes(now):
        rested = tuple(name for name in asked.models if now.at >= acts.rests_until(name, settle))
        if now.at < acts.rests_until(asked.subject, settle) or not rested:
            continue
        wish = replace(asked, models=rested)
        act = _loading(wish, places) if wish.loads else _unloading(wish)
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


def _loading(wish: Wish, places: Places) -> Act | None:
    found = places.find(wish.models)
    if found is None:
        return None
    gone = f", in place of {' and '.join(found.instead_of)}" if found.instead_of else ""
    return Act(wish.subject, found.changes, f"Load {found.model} on {found.place}{gone}: {wish.reason}.")
