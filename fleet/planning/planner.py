"""From a draft and the world to a plan: which models stop and start, in which order, by which commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet.commands import Write
from fleet.errors import UnreachableError
from fleet.findings import Tense
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, apply
from fleet.model import GpuId, Model
from fleet.planning.memory import expected, load_seconds, rests, start_needs
from fleet.planning.order import Task, Turn, Verb, order
from fleet.planning.overlays import overlay_for
from fleet.planning.plan import Action, Former, Plan, Step
from fleet.planning.world import World
from fleet.services import Service
from fleet.services.registry import service_of

DRAIN_SECONDS = 10.0
"""How long a stop waits for running requests at most."""
STOP_SECONDS = 10.0
COMMAND_SECONDS = 1.0


def make_plan(inventory: Inventory, changes: Iterable[Change], world: World) -> Plan:
    """The steps that turn the fleet as it runs into the fleet after the changes.

    Args:
        inventory: The fleet as it runs.
        changes: What is to change, each in effect.
        world: What was read of the hosts for these changes.

    Returns:
        A plan in which every start finds the memory it needs, where such an order was found; the starts for which
        none was are in ``unproven``.

    Raises:
        UsageError: A change makes no sense.
        GpudeckError: A service's command line is not ours to rewrite.
    """
    return _Planner(inventory, tuple(changes), world).plan()


@dataclass(frozen=True, slots=True)
class _Job:
    """One changed model: how it was, how it shall be."""

    before: Model
    after: Model
    runs_on: str | None
    """The host where it runs now."""

    @property
    def starts(self) -> bool:
        """Whether it shall run."""
        return self.after.enabled and self.after.place is not None

    @property
    def is_as_it_was(self) -> bool:
        """Whether it is only started again, as it is."""
        return self.before == self.after

    @property
    def name(self) -> str:
        """The model's name."""
        return self.after.name


class _Planner:
    """Holds what every part of planning looks at."""

    def __init__(self, inventory: Inventory, changes: tuple[Change, ...], world: World) -> None:
        self.inventory = inventory
        self.changes = changes
        self.world = world
        self.after = apply(inventory, changes)
        totals = {gpu: reading.identity.total_bytes for gpu, reading in world.gpus.items()}
        self.now = assess(inventory, totals=totals, starts=world.starts, with_fixes=False)
        self.then = assess(self.after, tense=Tense.DRAFT, totals=totals, starts=world.starts)
        names = dict.fromkeys(change.model for change in changes)
        self.jobs = {name: self._job(name) for name in names}
        others = [model.name for model in self.after.placed if model.name not in names and model.service]
        self.bystanders = {name: self._job(name) for name in others if world.runs_on(name)}

    def _job(self, name: str) -> _Job:
        return _Job(self.inventory.model(name), self.after.model(name), self.world.runs_on(name))

    def plan(self) -> Plan:
        bystanders = [self._task(job) for job in self.bystanders.values()]
        turns = order([self._task(job) for job in self.jobs.values()], bystanders, self._free())
        involved = self.jobs | {name: job for name, job in self.bystanders.items() if _has_turn(turns, name)}
        steps: list[Step] = []
        for turn in turns:
            job = involved[turn.task.model]
            steps += self._stop_steps(job) if turn.verb is Verb.STOP else self._start_steps(job, turn)
        numbered = tuple(replace(step, n=n) for n, step in enumerate(steps, 1))
        stopped = [involved[step.model] for step in numbered if step.action is Action.STOP]
        return Plan(
            fleet=self.inventory.fleet,
            world=self.world.digest,
            changes=self.changes,
            findings=self.then.findings,
            steps=numbered,
            formers=tuple(former for job in involved.values() for former in self._formers(job)),
            downtime_seconds=_downtime(numbered),
            stays_stopped=tuple(job.name for job in stopped if not job.starts),
            roles_lost=self._roles_lost(),
            requests=sum(self.world.standing(job.name, job.runs_on).requests for job in stopped if job.runs_on),
        )

    # memory and order

    def _free(self) -> dict[GpuId, int]:
        free = {}
        for gpu, reading in self.world.gpus.items():
            if reading.used_bytes is None:
                raise UnreachableError(f"{gpu} does not say how much memory is in use.", "Wait until it does.")
            free[gpu] = reading.identity.total_bytes - reading.used_bytes
        return free

    def _task(self, job: _Job) -> Task:
        held = self.world.standing(job.name, job.runs_on).held if job.runs_on else {}
        estimate = self.then.estimates.get(job.name)
        if not job.starts or estimate is None:
            return Task(job.name, stops=job.runs_on is not None, starts=False, held=held)
        known = held if job.is_as_it_was else {}
        return Task(
            job.name,
            stops=job.runs_on is not None,
            starts=True,
            held=held,
            needs=start_needs(job.after, estimate, self._host(job).accelerator, known),
            rests=rests(job.after, estimate, known),
            damage=(float(self._is_last_of_role(job)), load_seconds(estimate)),
        )

    def _is_last_of_role(self, job: _Job) -> bool:
        role = job.before.role
        serving = [m for m in self.inventory.placed if m.role == role and self.world.runs_on(m.name)]
        return role is not None and len(serving) == 1

    # steps

    def _host(self, job: _Job) -> Host:
        assert job.after.place is not None, "only models with a place start"
        return self.inventory.host(job.after.place.host)

    def _service(self, model: Model, host: str) -> Service:
        service = service_of(model, self.inventory.host(host).become)
        assert service is not None, "reading the world refuses a changed model without a service"
        return service

    def _stop_steps(self, job: _Job) -> list[Step]:
        assert job.runs_on is not None, "only running models are stopped"
        standing = self.world.standing(job.name, job.runs_on)
        service = self._service(job.before, job.runs_on)
        gpus = tuple(standing.held) or (job.before.place.gpu_ids if job.before.place else ())

        def step(action: Action, seconds: float, *commands: Write) -> Step:
            return Step(0, action, job.name, job.runs_on or "", service.name, gpus, commands, seconds=seconds)

        drain = [step(Action.DRAIN, DRAIN_SECONDS)] if standing.requests else []
        return [*drain, step(Action.STOP, STOP_SECONDS, service.stop())]

    def _start_steps(self, job: _Job, turn: Turn) -> list[Step]:
        place = job.after.place
        assert place is not None, "only models with a place start"
        estimate = self.then.estimates[job.name]
        service = self._service(job.after, place.host)
        tightest = min(turn.task.needs, key=lambda gpu: turn.free[gpu] - turn.task.needs[gpu])
        start = Step(
            0,
            Action.START,
            job.name,
            place.host,
            service.name,
            place.gpu_ids,
            (service.start(),),
            needs_bytes=turn.task.needs[tightest],
            free_bytes=turn.free[tightest],
            seconds=COMMAND_SECONDS,
        )
        wait = Step(
            0,
            Action.WAIT,
            job.name,
            place.host,
            service.name,
            place.gpu_ids,
            seconds=load_seconds(estimate),
            expects=expected(job.after, estimate, self.world),
            asks_health=job.after.url is not None,
        )
        return [*self._overlay_steps(job, service), start, wait]

    def _overlay_steps(self, job: _Job, service: Service) -> list[Step]:
        if job.is_as_it_was:
            return []
        place = job.after.place
        assert place is not None, "only models with a place start"
        definition = self.world.standing(job.name, place.host).definition
        assert definition is not None, "the definition of every changed model was read"
        overlay = overlay_for(
            service,
            definition,
            job.before,
            job.after,
            [reading.identity for gpu, reading in self.world.gpus.items() if gpu.host == place.host],
            self._host(job).accelerator,
        )
        if overlay == definition.overlay:
            return []
        commands = service.remove_overlay() if overlay is None else service.write_overlay(overlay)
        action = Action.REMOVE if overlay is None else Action.WRITE
        return [Step(0, action, job.name, place.host, service.name, place.gpu_ids, commands, seconds=COMMAND_SECONDS)]

    # how things stood

    def _formers(self, job: _Job) -> list[Former]:
        """How each service the plan touches stands now."""
        hosts = [job.runs_on] if job.runs_on else []
        hosts += [job.after.place.host] if job.starts and job.after.place else []
        return [self._former(job, host) for host in dict.fromkeys(hosts)]

    def _former(self, job: _Job, host: str) -> Former:
        standing = self.world.standing(job.name, host)
        service = self._service(job.before, host)
        estimate = self.now.estimates.get(job.name) if standing.running else None
        place = job.before.place
        known = estimate is not None and place is not None and place.host == host
        needs = start_needs(job.before, estimate, self.inventory.host(host).accelerator) if known and estimate else {}
        return Former(
            model=job.name,
            host=host,
            service=service.name,
            become=self.inventory.host(host).become,
            gpus=tuple(standing.held) or (place.gpu_ids if place else ()),
            running=standing.running,
            overlay=standing.definition.overlay if standing.definition else None,
            needs_bytes=max((*needs.values(), *standing.held.values()), default=0),
            seconds=load_seconds(estimate) if estimate else 0.0,
            expects=expected(job.before, estimate, self.world) if known and estimate else (),
            asks_health=job.before.url is not None,
        )

    def _roles_lost(self) -> tuple[str, ...]:
        served = [m.role for m in self.inventory.placed if m.role and self.world.runs_on(m.name)]
        kept = {m.role for m in self.after.placed if self._will_run(m)}
        return tuple(dict.fromkeys(role for role in served if role not in kept))

    def _will_run(self, model: Model) -> bool:
        job = self.jobs.get(model.name)
        return job.starts if job else self.world.runs_on(model.name) is not None


def _has_turn(turns: Iterable[Turn], name: str) -> bool:
    return any(turn.task.model == name for turn in turns)


def _downtime(steps: tuple[Step, ...]) -> Mapping[str, float]:
    """Of each model that stops and serves again: the seconds from its stop to the end of its wait."""
    down: dict[str, float] = {}
    stopped: set[str] = set()
    back: dict[str, float] = {}
    for step in steps:
        if step.action is Action.STOP:
            stopped.add(step.model)
            down[step.model] = 0.0
        for model in stopped:
            down[model] += step.seconds
        if step.action is Action.WAIT and step.model in stopped:
            stopped.discard(step.model)
            back[step.model] = down[step.model]
    return back
