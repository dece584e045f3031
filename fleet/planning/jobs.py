"""What a draft asks of each model: how it was, how it shall be, and what has to be ordered for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fleet.estimate import Estimate
from fleet.inventory import Host, Inventory
from fleet.model import Model, Place
from fleet.planning.memory import rests, start_needs
from fleet.planning.ordering.tasks import Sizes, Spot, Task
from fleet.planning.timing import Timing
from fleet.planning.world import World, spares_of

LAST_OF_ROLE = 10.0
"""How much a second counts without the only model that serves a role; of any other model it counts one."""


@dataclass(frozen=True, slots=True)
class Job:
    """One model that a plan touches: how it was, how it shall be."""

    before: Model
    after: Model
    runs_on: str | None
    """The host where it runs now."""
    spare: Job | None = None
    """The unit that can serve the same meanwhile: a stopped copy of it, on the host where it shall run."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.after.name

    @property
    def starts(self) -> bool:
        """Whether it shall run."""
        return self.after.enabled and self.after.place is not None

    @property
    def is_as_it_was(self) -> bool:
        """Whether it is only started again, as it is."""
        return self.before == self.after

    @property
    def changes_host(self) -> bool:
        """Whether it runs on one host and shall run on another."""
        return self.runs_on is not None and self.after.place is not None and self.after.place.host != self.runs_on


def spare_of(model: Model, inventory: Inventory, after: Inventory, world: World) -> Job | None:
    """The copy on its host that can serve meanwhile what this one serves; none where another serves it already."""
    copies = (m.name for m in inventory.models if m.replica_of and m.replica_of == model.replica_of)
    if any(name != model.name and world.runs_on(name) for name in copies):
        return None
    for other in spares_of(after, (model.name,)):
        if model.place is None or other.place is None or other.place.host != model.place.host:
            continue
        standing = world.standing(other.name, other.place.host)
        if standing.definition and not standing.definition.missing and not standing.running:
            return Job(inventory.model(other.name), replace(other, enabled=True), None)
    return None


def task_of(job: Job, inventory: Inventory, world: World, estimates: Mapping[str, Estimate], timing: Timing) -> Task:
    """What has to be ordered for a job.

    Args:
        job: The model.
        inventory: The fleet as it runs.
        world: How it stands now.
        estimates: Of the fleet after the plan.
        timing: How long things take.
    """
    held = world.standing(job.name, job.runs_on).held if job.runs_on else {}
    now = Spot.holding(held) if job.runs_on else None
    estimate = estimates.get(job.name)
    place = job.after.place
    if not job.starts or estimate is None or place is None:
        return Task(job.name, now, stop_seconds=timing.stop(job.name))
    host = inventory.host(place.host)

    def spot(where: Place) -> Spot:
        placed, known = replace(job.after, place=where), held if job.is_as_it_was else {}
        return Spot(start_needs(placed, estimate, host.accelerator, known), rests(placed, estimate, known))

    return Task(
        job.name,
        now,
        spot(place),
        temporary=tuple(spot(where) for where in _temporary(job, host, held, world)),
        spare=job.spare is not None,
        second_copy=job.changes_host,  # a unit runs once on a host
        weight=LAST_OF_ROLE if _is_last_of_role(job, inventory, world) else 1.0,
        stop_seconds=timing.stop(job.name),
        load_seconds=timing.load(job.name, place.host, estimate).seconds,
    )


def _temporary(job: Job, host: Host, held: Sizes, world: World) -> Iterator[Place]:
    """Other GPUs of its host that a model could serve from in between, as many and as large as its own.

    By its own unit only where it moves; a spare one may serve any model meanwhile, at best in its own place, and beside
    it where there is room.
    """
    place = job.after.place
    if place is None or job.runs_on is None or job.changes_host:
        return
    if job.spare is None and place == job.before.place:
        return
    taken = () if job.spare else (place, job.before.place)
    count = len(place.gpus)
    sizes = {world.gpus[gpu].identity.total_bytes for gpu in place.gpu_ids if gpu in world.gpus}
    places = [Place(host.name, tuple(range(first, first + count))) for first in range(0, host.gpus - count + 1, count)]
    own = job.spare.before.place if job.spare else None
    for there in sorted(places, key=lambda there: there != own):
        alike = {world.gpus[gpu].identity.total_bytes if gpu in world.gpus else 0 for gpu in there.gpu_ids} <= sizes
        if set(there.gpu_ids) & world.cordons.keys():
            continue
        if alike and there not in taken and (job.spare or set(there.gpu_ids) != set(held)):
            yield there


def _is_last_of_role(job: Job, inventory: Inventory, world: World) -> bool:
    role = job.before.role
    serving = [model for model in inventory.placed if model.role == role and world.runs_on(model.name)]
    return role is not None and len(serving) == 1
