"""What an order is made of: models with the places they serve from, what each place takes, and turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from fleet.model import GpuId

Sizes = Mapping[GpuId, int]
"""Bytes by GPU."""


def _nothing() -> Sizes:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Spot:
    """The GPUs a model serves from, and the memory that takes on each."""

    needs: Sizes = field(default_factory=_nothing)
    """Free memory a start there takes."""
    rests: Sizes = field(default_factory=_nothing)
    """What it holds there once it serves; never more than it needs."""

    @classmethod
    def holding(cls, held: Sizes) -> Spot:
        """A place where so much is held already."""
        return cls(held, held)

    @property
    def gpus(self) -> frozenset[GpuId]:
        """Every GPU of it."""
        return frozenset({*self.needs, *self.rests})

    @property
    def slack(self) -> int:
        """By how much a start takes more than it then holds; those with most are best started first."""
        return max((size - self.rests.get(gpu, 0) for gpu, size in self.needs.items()), default=0)

    def fits(self, free: Sizes) -> bool:
        """Whether a start finds what it needs."""
        return all(size <= free.get(gpu, 0) for gpu, size in self.needs.items())


class Verb(StrEnum):
    """What a turn does."""

    STOP = "stop"
    START = "start"


@dataclass(frozen=True, slots=True)
class Task:
    """One model, where it serves and where it shall."""

    model: str
    now: Spot | None = None
    """Where it serves now; None where it does not."""
    goal: Spot | None = None
    """Where it is to be started; None where it is to stay stopped."""
    temporary: tuple[Spot, ...] = ()
    """Other places it may serve from until its goal is free."""
    second_copy: bool = False
    """Whether it may be started in its next place before it is stopped in this one."""
    spare: bool = False
    """Whether a unit of its own serves it in the temporary places, so that it may run there and elsewhere at once."""
    weight: float = 1.0
    """How much a second counts in which it does not serve."""
    stop_seconds: float = 0.0
    load_seconds: float = 0.0
    relieves: bool = False
    """Whether it is a copy of another that is to be stopped: started first, it serves meanwhile."""

    @property
    def gpus(self) -> frozenset[GpuId]:
        """Every GPU it serves from before or after."""
        return frozenset().union(*(spot.gpus for spot in (self.now, self.goal) if spot))

    @property
    def reach(self) -> frozenset[GpuId]:
        """Every GPU it may serve from in between."""
        return frozenset().union(*(spot.gpus for spot in self.temporary))

    @property
    def damage(self) -> tuple[float, float]:
        """The smaller, the sooner it is stopped early."""
        return self.weight, self.load_seconds


@dataclass(frozen=True, slots=True)
class Turn:
    """One model stopped or started in one place, and what was free there just before."""

    verb: Verb
    task: Task
    spot: Spot
    free: Sizes

    @property
    def by_spare(self) -> bool:
        """Whether it is the spare unit's: one that serves a model in its temporary places."""
        return self.task.spare and any(spot is self.spot for spot in self.task.temporary)

    @property
    def fits(self) -> bool:
        """Whether a start finds what it needs."""
        return self.verb is Verb.STOP or self.spot.fits(self.free)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.task.stop_seconds if self.verb is Verb.STOP else self.task.load_seconds


def turn(verb: Verb, task: Task, spot: Spot, free: Sizes) -> Turn:
    """A turn taken while so much is free everywhere."""
    return Turn(verb, task, spot, {gpu: free.get(gpu, 0) for gpu in spot.gpus})


def after(turns: Iterable[Turn], free: Sizes) -> dict[GpuId, int]:
    """What is free after the turns."""
    left = dict(free)
    for each in turns:
        sign = 1 if each.verb is Verb.STOP else -1
        for gpu, size in each.spot.rests.items():
            left[gpu] = left.get(gpu, 0) + sign * size
    return left


def downtime(turns: Iterable[Turn]) -> dict[str, float]:
    """Seconds in which each model that comes back does not serve, where one turn follows the other."""
    down: dict[str, float] = {}
    copies: dict[str, int] = {}
    back: dict[str, float] = {}
    for each in turns:
        name = each.task.model
        copies.setdefault(name, int(each.task.now is not None))
        if each.verb is Verb.STOP:
            copies[name] -= 1
            if copies[name] == 0:
                down.setdefault(name, 0.0)
        for waiting in down:
            if copies[waiting] == 0:
                down[waiting] += each.seconds
        if each.verb is Verb.START:
            copies[name] += 1
            if name in down:
                back[name] = down[name]
    return back
