"""From turns to steps: what is run on which host for a model to stop in one place and to start in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fleet.commands import Write
from fleet.estimate import Estimate
from fleet.inventory import Inventory
from fleet.model import Model, Place
from fleet.planning.handling import checking, joining, leaving
from fleet.planning.jobs import Job
from fleet.planning.load_times import LoadTime
from fleet.planning.memory import expected
from fleet.planning.ordering.tasks import Spot, Turn, Verb
from fleet.planning.overlays import overlay_for
from fleet.planning.plan import Action, Hold, Step
from fleet.planning.timing import COMMAND_SECONDS, STOP_SECONDS, Timing
from fleet.planning.world import World
from fleet.services import Service
from fleet.services.registry import service_of


def steps_of(
    turns: Iterable[Turn],
    jobs: Mapping[str, Job],
    inventory: Inventory,
    world: World,
    estimates: Mapping[str, Estimate],
    timing: Timing,
) -> tuple[Step, ...]:
    """The steps of some turns, numbered from 1.

    Args:
        turns: In their order.
        jobs: Of every model that has a turn.
        inventory: The fleet as it runs.
        world: What was read of the hosts.
        estimates: Of the fleet after the plan.
        timing: How long things take.

    Raises:
        GpudeckError: A service's command line is not ours to rewrite.
    """
    writer = _Writer(inventory, world, estimates, timing)
    steps = (step for turn in turns for step in writer.steps(jobs[turn.task.model], turn))
    return tuple(replace(step, n=n) for n, step in enumerate(steps, 1))


def service(inventory: Inventory, model: Model, host: str) -> Service:
    """How a model's process is managed on a host."""
    found = service_of(model, inventory.host(host).become)
    assert found is not None, "reading the world refuses a changed model without a service"
    return found


def holds(spot: Spot) -> tuple[Hold, ...]:
    """What a start there takes, by GPU."""
    return tuple(Hold(gpu, spot.needs.get(gpu, 0), spot.rests.get(gpu, 0)) for gpu in sorted(spot.gpus))


class _Writer:
    """Writes steps, and remembers which overlay the earlier ones left."""

    def __init__(self, inventory: Inventory, world: World, estimates: Mapping[str, Estimate], timing: Timing) -> None:
        self._inventory = inventory
        self._world = world
        self._estimates = estimates
        self._timing = timing
        self._overlays: dict[tuple[str, str], str | None] = {}

    def steps(self, job: Job, turn: Turn) -> Iterator[Step]:
        served = job.spare if turn.by_spare and job.spare else job
        if turn.verb is Verb.STOP:
            yield from self._stop(served, turn)
            yield from self._as_it_was(served, turn) if served is job.spare else ()
        else:
            estimate = self._estimates[job.name]
            host = min(turn.spot.gpus).host
            yield from self._start(served, turn, estimate, self._timing.load(job.name, host, estimate))

    def _stop(self, job: Job, turn: Turn) -> Iterator[Step]:
        host = next((gpu.host for gpu in turn.spot.gpus), job.runs_on)
        assert host is not None, "only running models are stopped"
        unit = service(self._inventory, job.before, host)
        gpus = tuple(turn.spot.rests) or (job.before.place.gpu_ids if job.before.place else ())

        def step(action: Action, seconds: float, *commands: Write, requests: int = 0) -> Step:
            return Step(0, action, job.name, host, unit.name, gpus, commands, seconds=seconds, requests=requests)

        out = leaving(replace(job.before, place=Place(host, tuple(gpu.index for gpu in gpus))))
        requests = self._timing.requests.get(job.name, 0)
        if requests or out:
            yield step(Action.DRAIN, self._timing.drain(job.name), *out, requests=requests)
        yield step(Action.STOP, STOP_SECONDS, unit.stop())

    def _start(self, job: Job, turn: Turn, estimate: Estimate, load: LoadTime) -> Iterator[Step]:
        gpus = sorted(turn.spot.gpus)
        place = Place(gpus[0].host, tuple(gpu.index for gpu in gpus))
        model = replace(job.after, place=place)
        unit = service(self._inventory, model, place.host)
        yield from self._overlay(job, model, place, unit)
        tightest = min(turn.spot.needs, key=lambda gpu: turn.free[gpu] - turn.spot.needs[gpu])
        yield Step(
            0,
            Action.START,
            job.name,
            place.host,
            unit.name,
            place.gpu_ids,
            (unit.start(),),
            needs_bytes=turn.spot.needs[tightest],
            free_bytes=turn.free[tightest],
            holds=holds(turn.spot),
            seconds=COMMAND_SECONDS,
        )
        yield Step(
            0,
            Action.WAIT,
            job.name,
            place.host,
            unit.name,
            place.gpu_ids,
            joining(model),
            seconds=load.seconds,
            basis=load.basis,
            expects=expected(model, estimate, self._world),
            asks_health=job.after.url is not None,
            check=checking(model),
            timeout=job.after.handling.start_seconds,
        )

    def _overlay(self, job: Job, model: Model, place: Place, unit: Service) -> Iterator[Step]:
        """Put the overlay in place under which the unit runs as the model says there, where it is not already."""
        if job.is_as_it_was:
            return
        definition = self._world.standing(job.name, place.host).definition
        assert definition is not None, "the definition of every changed model was read"
        overlay = overlay_for(
            unit,
            definition,
            job.before,
            model,
            self._world.identities(place.host),
            self._inventory.host(place.host).accelerator,
        )
        missing = definition.missing if (job.name, place.host) not in self._overlays else None
        if missing is None and overlay == self._overlays.get((job.name, place.host), definition.overlay):
            return
        commands = () if missing is None else unit.install(missing)
        yield self._written(job, place, unit, overlay, commands)

    def _as_it_was(self, spare: Job, turn: Turn) -> Iterator[Step]:
        """Give a spare unit back as it was found: what it served under is for that time alone."""
        host = min(turn.spot.gpus).host
        place = Place(host, tuple(gpu.index for gpu in sorted(turn.spot.gpus)))
        definition = self._world.standing(spare.name, host).definition
        found = definition.overlay if definition else None
        if self._overlays.get((spare.name, host), found) != found:
            yield self._written(spare, place, service(self._inventory, spare.before, host), found)

    def _written(
        self, job: Job, place: Place, unit: Service, overlay: str | None, before: tuple[Write, ...] = ()
    ) -> Step:
        """The step after which that is the unit's overlay, or (None) it has none."""
        self._overlays[job.name, place.host] = overlay
        commands = before + (unit.remove_overlay() if overlay is None else unit.write_overlay(overlay))
        action = Action.REMOVE if overlay is None and not before else Action.WRITE
        return Step(0, action, job.name, place.host, unit.name, place.gpu_ids, commands, seconds=COMMAND_SECONDS)
