"""From a draft and the world to a plan: which models stop and start, in which order, by which commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from fleet.errors import GpudeckError, UnreachableError
from fleet.findings import Finding, Tense, worst_first
from fleet.findings.assess import assess
from fleet.findings.placement import NO_WATTS
from fleet.findings.power import still_holds
from fleet.history.values import Start
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Serve, SetArgument, apply
from fleet.model import GpuId, Model
from fleet.planning.cordons import check_not_cordoned
from fleet.planning.handling import checking, joining, leaving, renamed, unrouted
from fleet.planning.jobs import Job, spare_of, task_of
from fleet.planning.load_times import LoadTimes, load_times
from fleet.planning.memory import expected, start_needs
from fleet.planning.ordering import order
from fleet.planning.ordering.tasks import Task
from fleet.planning.plan import Action, Former, Hold, Plan, Step
from fleet.planning.replay import breaches
from fleet.planning.secrecy import check_keeps_no_secret
from fleet.planning.steps import service, steps_of
from fleet.planning.timing import Timing
from fleet.planning.world import World
from fleet.services.arguments import read_arguments, same_value


def make_plan(
    inventory: Inventory,
    changes: Iterable[Change],
    world: World,
    *,
    starts: Iterable[Start] = (),
    watts: Mapping[GpuId, float] = NO_WATTS,
) -> Plan:
    """The steps that turn the fleet as it runs into the fleet after the changes.

    Args:
        inventory: The fleet as it runs.
        changes: What is to change, each in effect.
        world: What was read of the hosts for these changes.
        starts: What is recorded of earlier starts, oldest first: how long the next ones should take.
        watts: What GPUs were seen to draw under load with the models they have now; the rest is modelled.

    Returns:
        A plan in which every start finds the memory it needs, where such an order was found; the starts for which
        none was are in ``unproven``.

    Raises:
        UsageError: A change makes no sense, or places a model on a cordoned GPU.
        GpudeckError: A service's command line is not ours to rewrite.
    """
    changes = tuple(changes)
    anew = {change.model for change in changes if isinstance(change, Serve)}
    return _Planner(inventory, changes, world, load_times(starts, world).without(anew), watts).plan()


class _Planner:
    """Holds what every part of planning looks at."""

    def __init__(
        self,
        inventory: Inventory,
        changes: tuple[Change, ...],
        world: World,
        loads: LoadTimes,
        watts: Mapping[GpuId, float],
    ) -> None:
        self.inventory = inventory
        self.changes = changes
        self.world = world
        self.after = apply(inventory, changes)
        totals = {gpu: reading.identity.total_bytes for gpu, reading in world.gpus.items()}
        self.now = assess(inventory, totals=totals, starts=world.starts, with_fixes=False)
        still = still_holds(watts, inventory, self.after)
        self.then = assess(self.after, tense=Tense.DRAFT, totals=totals, starts=world.starts, watts=still)
        names = dict.fromkeys(change.model for change in changes if not self._stands(change.model))
        self.jobs = {name: self._job(name) for name in names}
        others = [model.name for model in self.after.placed if model.name not in names and model.service]
        self.bystanders = {name: self._job(name) for name in others if world.runs_on(name)}
        self.timing = Timing(loads, self._requests(), self._drains())

    def _stands(self, name: str) -> bool:
        """Whether a model runs as it is asked to already, and would start so again: then the file alone is behind."""
        asked = [change for change in self.changes if change.model == name]
        start, host = self.world.starts.get(name), self.world.runs_on(name)
        definition = self.world.standing(name, host).definition if host else None
        if start is None or definition is None:
            return False
        written = read_arguments(definition.overlaid_argv or definition.argv)
        return all(
            isinstance(change, SetArgument)
            and same_value(change.value, start.args.get(change.flag))
            and same_value(change.value, written.get(change.flag))
            for change in asked
        )

    def _job(self, name: str) -> Job:
        after, runs_on = self.after.model(name), self.world.runs_on(name)
        job = Job(self.inventory.model(name), after, runs_on, spare_of(after, self.inventory, self.after, self.world))
        held = self.world.standing(name, job.runs_on).held if job.runs_on else {}
        check_not_cordoned(job.before, job.after, held, self.world.cordons)
        return job

    def _requests(self) -> dict[str, int]:
        jobs = (self.jobs | self.bystanders).values()
        return {job.name: self.world.standing(job.name, job.runs_on).requests for job in jobs if job.runs_on}

    def _drains(self) -> dict[str, float]:
        said = {model.name: model.handling.drain_seconds for model in self.inventory.models}
        return {name: seconds for name, seconds in said.items() if seconds is not None}

    def plan(self) -> Plan:
        """The plan, replayed. Raises GpudeckError where the replay finds it wrong."""
        free = self._free()
        bystanders = [self._task(job) for job in self.bystanders.values()]
        tasks = [replace(self._task(job), relieves=self._relieves(job)) for job in self.jobs.values()]
        turns = order(tasks, bystanders, free)
        moved = {turn.task.model for turn in turns}
        involved = self.jobs | {name: job for name, job in self.bystanders.items() if name in moved}
        steps = steps_of(turns, involved, self.inventory, self.world, self.then.estimates, self.timing)
        helped = {turn.task.model for turn in turns if turn.by_spare}
        spares = [job.spare for name, job in involved.items() if name in helped and job.spare]
        formers = tuple(former for job in (*involved.values(), *spares) for former in self._formers(job))
        names = dict.fromkeys(step.model for step in steps if step.action is Action.STOP)
        stopped = [involved[name] for name in names if name in involved]
        plan = Plan(
            fleet=self.inventory.fleet,
            world=self.world.digest,
            changes=self.changes,
            findings=worst_first((*self.then.findings, *self._unreachable())),
            steps=steps,
            formers=formers,
            downtime_seconds=self._downtime(steps, formers),
            stays_stopped=tuple(job.name for job in stopped if job.runs_on and not job.starts),
            roles_lost=self._roles_lost(),
            requests=sum(self.timing.requests.get(job.name, 0) for job in stopped),
            free_bytes=free,
        )
        check_keeps_no_secret(plan)
        wrong = breaches(plan)
        if wrong:
            raise GpudeckError(
                f"The plan does not hold when replayed, so it is not offered. {wrong[0]}",
                "Nothing was touched. Make the changes in smaller drafts, and report this.",
            )
        return plan

    def _unreachable(self) -> Iterator[Finding]:
        for job in self.jobs.values():
            if job.starts and job.after.place:
                definition = self.world.standing(job.name, job.after.place.host).definition
                found = unrouted(job.before, job.after, job.runs_on), renamed(job.before, job.after, definition)
                yield from filter(None, found)

    def _free(self) -> dict[GpuId, int]:
        free = {}
        for gpu, reading in self.world.gpus.items():
            if reading.used_bytes is None:
                raise UnreachableError(f"{gpu} does not say how much memory is in use.", "Wait until it does.")
            free[gpu] = reading.identity.total_bytes - reading.used_bytes
        return free

    def _task(self, job: Job) -> Task:
        return task_of(job, self.inventory, self.world, self.then.estimates, self.timing)

    def _relieves(self, job: Job) -> bool:
        """Whether it is to be started, and a copy of it that serves now is to be stopped."""
        if job.runs_on or not job.starts:
            return False
        served = self._served_as(job.name)
        return any(other.runs_on and self._served_as(other.name) == served for other in self.jobs.values())

    # how things stood

    def _formers(self, job: Job) -> list[Former]:
        """How each service the plan touches stands now."""
        hosts = [job.runs_on] if job.runs_on else []
        hosts += [job.after.place.host] if job.starts and job.after.place else []
        return [self._former(job, host) for host in dict.fromkeys(hosts)]

    def _former(self, job: Job, host: str) -> Former:
        standing = self.world.standing(job.name, host)
        unit = service(self.inventory, job.before, host)
        estimate = self.now.estimates.get(job.name) if standing.running else None
        place = job.before.place
        known = estimate is not None and place is not None and place.host == host
        served = job.before if standing.running else job.after
        placed = served if served.place and served.place.host == host else replace(served, place=job.after.place)
        needs = start_needs(job.before, estimate, self.inventory.host(host).accelerator) if known and estimate else {}
        return Former(
            model=job.name,
            host=host,
            service=unit.name,
            become=self.inventory.host(host).become,
            gpus=tuple(standing.held) or (place.gpu_ids if place else ()),
            running=standing.running,
            overlay=standing.definition.overlay if standing.definition else None,
            needs_bytes=max((*needs.values(), *standing.held.values()), default=0),
            seconds=self.timing.load(job.name, host, estimate).seconds if estimate else 0.0,
            holds=tuple(Hold(gpu, max(needs.get(gpu, 0), size), size) for gpu, size in sorted(standing.held.items())),
            expects=expected(job.before, estimate, self.world) if known and estimate else (),
            asks_health=job.before.url is not None,
            check=checking(placed),
            timeout=job.before.handling.start_seconds,
            leaving=leaving(placed),
            joining=joining(placed),
        )

    def _roles_lost(self) -> tuple[str, ...]:
        served = [m.role for m in self.inventory.placed if m.role and self.world.runs_on(m.name)]
        kept = {m.role for m in self.after.placed if self._will_run(m)}
        return tuple(dict.fromkeys(role for role in served if role not in kept))

    def _downtime(self, steps: Iterable[Step], formers: Iterable[Former]) -> dict[str, float]:
        """Of each model that serves now, is stopped and serves again: the seconds in which no copy of it serves.

        Copies behind one router stand for one another.
        """
        touched = {former.model for former in formers}
        running = [former.model for former in formers if former.running]
        running += [m.name for m in self.inventory.placed if m.name not in touched and self.world.runs_on(m.name)]
        serving = Counter(map(self._served_as, running))
        down: dict[str, float] = {}
        for step in steps:
            if step.action is Action.STOP:
                serving[self._served_as(step.model)] -= 1
            for model in running:
                if not serving[self._served_as(model)]:
                    down[model] = down.get(model, 0.0) + step.seconds
            if step.action is Action.WAIT:
                serving[self._served_as(step.model)] += 1
        return {name: seconds for name, seconds in down.items() if self._will_run(self.after.model(name))}

    def _served_as(self, name: str) -> str:
        """Whom clients ask for it: the router's name for all its copies, or itself."""
        model = self.inventory.model(name)
        return model.replica_of if model.replica_of and model.handling.router_add else name

    def _will_run(self, model: Model) -> bool:
        job = self.jobs.get(model.name)
        return job.starts if job else self.world.runs_on(model.name) is not None
