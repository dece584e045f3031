"""Where a model would be loaded, and which idle models leave to make room for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from fleet.autopilot.situation import Situation
from fleet.estimate.estimating import estimate
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, apply
from fleet.model import GpuId, Model, Place
from fleet.planning.carry import Fit, Hand, best_fit
from fleet.planning.load_times import LoadTimes
from fleet.planning.placing import roomiest
from fleet.startup import ModelStart

_MOST_LEAVING = 12
"""Idle models, the cheapest first, that are thought away in search of room."""
_MOST_EVICTED = 3
"""Of them, those that really leave for one model."""
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
class Placing:
    """A model in its place."""

    model: str
    place: Place
    instead_of: tuple[str, ...]
    """Models that leave for it."""
    changes: tuple[Change, ...]


class Places:
    """Places in one situation. What has to be reckoned for the whole fleet is reckoned once, for all models."""

    def __init__(self, now: Situation, circumstances: Circumstances) -> None:
        self._now = now
        self._known = circumstances
        self._barred = now.unread.union(circumstances.cordoned)
        self._roomiest_without: dict[int, tuple[GpuId, ...]] = {}

    def find(self, names: Iterable[str]) -> Placing | None:
        """A place for the one of these models that needs least room made, of equals the first; None where none fits."""
        models = [self._now.inventory.model(name) for name in names]
        for number in range(len(self._leaving) + 1):
            left = self._leaving[:number]
            for model in models:
                found = self._placed(model, self._without(left), self._roomiest(number))
                needed = self._needed(model, found, left) if found else ()
                if found and len(needed) <= _MOST_EVICTED:
                    gone = tuple(other.name for other in needed)
                    return Placing(model.name, _place(model, found), gone, (*map(Disable, gone), *found))
        return None

    @cached_property
    def _leaving(self) -> tuple[Model, ...]:
        """Who may leave for another, the least loss first: load time times what its role loses."""

        def cost(other: Model) -> float:
            assert other.place is not None, "what is enabled has a place"
            reckoned = estimate(other, self._now.inventory.host(other.place.host).accelerator)
            seconds = self._known.loads.of(other.name, other.place.host, reckoned).seconds
            return seconds * (_LAST_OF_ROLE if other.role and self._now.count(other.role) == 1 else 1.0)

        return tuple(sorted(self._now.evictable, key=cost)[:_MOST_LEAVING])

    def _without(self, left: Iterable[Model]) -> Inventory:
        return apply(self._now.inventory, [Disable(other.name) for other in left])

    def _placed(self, model: Model, inventory: Inventory, gpus: Iterable[GpuId]) -> tuple[Change, ...]:
        """Where the model runs by its own entry if it starts there, else where most room is left; none where nowhere.

        Where its entry says is the operators' choice; where it does not, there must be room for every peak.
        """
        hand = self._hand(model, inventory)
        own: tuple[Change, ...] = (Enable(model.name),)
        if model.place and self._barred.isdisjoint(model.place.gpu_ids) and hand.judged(own).possible:
            return own
        verdicts = {gpu: verdict for gpu in gpus if (verdict := hand.verdict(gpu)).fit is Fit.FITS}
        best = best_fit(verdicts)
        return verdicts[best.gpu].changes if best else ()

    def _hand(self, model: Model, inventory: Inventory) -> Hand:
        return Hand(inventory, (model,), self._known.totals, self._known.starts, cordoned=self._barred)

    def _needed(self, model: Model, found: tuple[Change, ...], left: Iterable[Model]) -> tuple[Model, ...]:
        """Those without whose leaving it would not start there; the costliest are the first that may stay."""
        there = set(_place(model, found).gpu_ids)
        needed = [other for other in left if other.place and not there.isdisjoint(other.place.gpu_ids)]
        for other in reversed(tuple(needed)):
            fewer = [each for each in needed if each is not other]
            verdict = self._hand(model, self._without(fewer)).judged(found)
            if verdict.fit is Fit.FITS or (verdict.possible and found == (Enable(model.name),)):
                needed = fewer
        return tuple(needed)

    def _roomiest(self, number: int) -> tuple[GpuId, ...]:
        """The GPUs with most room once so many have left."""
        if number not in self._roomiest_without:
            without = self._without(self._leaving[:number])
            found = roomiest(without, self._known.totals, self._known.starts, self._barred)
            self._roomiest_without[number] = tuple(found)
        return self._roomiest_without[number]


def _place(model: Model, found: tuple[Change, ...]) -> Place:
    place = next((change.place for change in found if isinstance(change, Move)), model.place)
    assert place is not None, "what was found has a place"
    return place
