"""How long models load: as their starts were measured, else by the bytes their host has to read for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from fleet.estimate import Estimate
from fleet.history.values import Start
from fleet.planning.world import World
from fleet.startup import Ending
from fleet.units import GiB, gib_text

ENGINE_SECONDS = 40.0
"""Of an engine's start, beside reading the weights."""
READ_BYTES_PER_SECOND = 2.0 * GiB
"""How fast weights are read where nobody has measured it."""
_NEWEST = 5
"""Starts of a model on a host that count; older ones may be of other disks and other engines."""


class LoadTime(NamedTuple):
    """How long a start takes until the model serves, and where that is known from."""

    seconds: float
    basis: str
    """``3 starts on gpu01``, or ``40 s + 61.0 GiB at 2.0 GiB/s assumed``."""


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """What was measured of loads."""

    measured: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Seconds the newest starts took, by model and host."""
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Bytes per second at which a host's starts read weights, to every GPU at once."""

    def of(self, model: str, host: str, estimate: Estimate) -> LoadTime:
        """As it was there, else as it was on another host, else by the bytes of its largest share."""
        elsewhere = sorted(where for name, where in self.measured if name == model)
        for where in (host, *elsewhere):
            seconds = self.measured.get((model, where))
            if seconds:
                return LoadTime(median(seconds), f"{len(seconds)} start{'s' * (len(seconds) > 1)} on {where}")
        largest = max((share.weights_bytes for share in estimate.shares), default=0)
        rate = self.rates.get(host, READ_BYTES_PER_SECOND)
        known = "as measured" if host in self.rates else "assumed"
        basis = f"{ENGINE_SECONDS:.0f} s + {gib_text(largest)} at {gib_text(rate)}/s {known}"
        return LoadTime(ENGINE_SECONDS + largest / rate, basis)

    def without(self, models: Collection[str]) -> LoadTimes:
        """The same where no start of these was measured, as what they are to load is something else."""
        return LoadTimes({key: runs for key, runs in self.measured.items() if key[0] not in models}, self.rates)


class _Run(NamedTuple):
    """One start that came up."""

    model: str
    host: str
    seconds: float
    weights_bytes: int
    """On the GPU that got most."""


def load_times(recorded: Iterable[Start], world: World | None = None) -> LoadTimes:
    """What recorded starts, oldest first, and those whose lines the hosts still have say of loads."""
    runs = dict(_recorded(recorded)) | (dict(_standing(world)) if world else {})
    newest: dict[tuple[str, str], list[_Run]] = {}
    for run in runs.values():
        newest.setdefault((run.model, run.host), []).append(run)
    kept = {key: runs[-_NEWEST:] for key, runs in newest.items()}
    by_host: dict[str, list[_Run]] = {}
    for (_, host), runs_there in kept.items():
        by_host.setdefault(host, []).extend(runs_there)
    return LoadTimes(
        {key: tuple(run.seconds for run in runs_there) for key, runs_there in kept.items()},
        {host: rate for host, runs_there in by_host.items() if (rate := _rate(runs_there))},
    )


def _recorded(starts: Iterable[Start]) -> Iterator[tuple[tuple[str, str], _Run]]:
    """Starts by model and run; each was recorded once for every GPU."""
    largest: dict[tuple[str, str], int] = {}
    for start in starts:
        if start.outcome != "started" or start.seconds is None:
            continue
        key = start.model, start.run
        size = start.measured.get("weights", start.predicted.get("weights", 0))
        largest[key] = max(size, largest.get(key, 0))
        yield key, _Run(start.model, start.gpu.rpartition("/")[0], start.seconds, largest[key])


def _standing(world: World) -> Iterator[tuple[tuple[str, str], _Run]]:
    for model, start in world.starts.items():
        host, said = world.runs_on(model), start.startup
        if host is None or said.ending is not Ending.STARTED or said.seconds is None:
            continue
        largest = max((rank.weights.bytes for rank in said.ranks if rank.weights), default=0)
        yield (model, start.invocation), _Run(model, host, said.seconds, largest)


def _rate(runs: Iterable[_Run]) -> float | None:
    """All bytes over all the time beside the engines' own; None where the starts were too quick to tell."""
    known = [run for run in runs if run.weights_bytes]
    reading = sum(run.seconds - ENGINE_SECONDS for run in known)
    return sum(run.weights_bytes for run in known) / reading if reading > 0 else None
