"""The autopilot over days of shifting load and failures, beside the placement it begins with and never changes.

python tests/benchmarks/autopilot_soak.py [--hours 72] [--seed 0]

Four hosts of four GPUs, played by the simulator's physics alone: no sockets, no host's files, a clock that is a number.
Two roles are asked for by day and by night, with rushes; engines die, and somebody starts them again two hours later.
The autopilot's acts are played as starts and stops of engines, which take their time and their memory, and may fail.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from math import cos, pi
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from fleet.autopilot.limits import Acts, Attempt, Ended  # noqa: E402
from fleet.autopilot.placing import Circumstances  # noqa: E402
from fleet.autopilot.proposing import Act, propose  # noqa: E402
from fleet.autopilot.situation import Situation  # noqa: E402
from fleet.autopilot.watching import Watch  # noqa: E402
from fleet.findings.assess import assess  # noqa: E402
from fleet.inventory import Inventory  # noqa: E402
from fleet.inventory.changes import apply  # noqa: E402
from fleet.inventory.loading import load_text  # noqa: E402
from fleet.model import Model  # noqa: E402
from fleet.readings import EngineReading, Link  # noqa: E402
from fleet.simulator.cards import cards  # noqa: E402
from fleet.simulator.physics import Machine, Phase, Run  # noqa: E402
from fleet.simulator.provision import command_line  # noqa: E402
from fleet.state import FleetState, ModelState, ModelWord  # noqa: E402
from fleet.state.joining import join  # noqa: E402

HOUR = 3600.0
LOOK, SAMPLE = 15.0, 5.0
"""Seconds between two looks of the autopilot, and between two of ours."""
REPAIR = 2 * HOUR
STOPPED = 10.0
"""Seconds in which an engine ends and its memory comes back."""
HOSTS, GPUS, COPIES = 4, 4, 8
ROLES = {"chat": ("meta-llama/Llama-3.1-8B-Instruct", 0.45), "code": ("agentica-org/DeepCoder-14B-Preview", 0.45)}
BEGIN = 1_795_219_200.0


def fleet_text() -> str:
    """Each role has two models at work, and six that may be loaded."""
    lines = ["fleet: soak", "hosts:"]
    lines += [f"  h{n}: {{address: h{n}, accelerator: MI300X, gpus: {GPUS}}}" for n in range(HOSTS)]
    lines += ["autopilot:", "  acts_per_hour: 12", "  settle: 5min", "  roles:"]
    lines += [
        f"    {role}: {{least: 1, most: {COPIES}, waiting: 2, kv_usage: 0.6, for: 2min, idle_for: 30min}}"
        for role in ROLES
    ]
    lines += ["models:"]
    port = 8000
    for number, (role, (source, share)) in enumerate(ROLES.items()):
        for copy in range(COPIES):
            port += 1
            placed = f"place: h{copy}/{number}" if copy < 2 else "enabled: false"
            lines.append(
                f"  {role}-{copy}: {{source: {source}, engine: vllm 0.9.0, {placed}, role: {role}, "
                f"service: 'systemd:{role}-{copy}.service', url: 'http://127.0.0.1:{port}', "
                f"args: {{gpu-memory-utilization: {share}, max-model-len: 32768}}}}"
            )
    return "\n".join(lines)


def asked(role: str, at: float, rushes: tuple[float, ...]) -> float:
    """How many times the usual requests of one model come for a role: by day or by night, and in rushes."""
    hour = at / HOUR % 24
    peak = 14.0 if role == "chat" else 2.0
    day = 1.2 + 2.4 * (1 + cos(2 * pi * (hour - peak) / 24)) / 2
    rush = 2.0 if any(begin <= at < begin + HOUR for begin in rushes) else 1.0
    return day * rush


@dataclass
class Served:
    """What a role got, in requests times seconds."""

    working: float = 0.0
    waiting: float = 0.0
    unserved: float = 0.0
    """Seconds in which no model served it."""
    copies: float = 0.0
    """Serving models times seconds."""

    @property
    def level(self) -> float:
        """The share of requests that were at work, of all that were there."""
        return self.working / max(1.0, self.working + self.waiting)


class Fleet:
    """The machines, the load on them, what breaks, and the inventory they follow."""

    def __init__(self, inventory: Inventory, hours: float, seed: int) -> None:
        self.inventory = inventory
        self.now = 0.0
        self.served = {role: Served() for role in ROLES}
        self.refused: list[str] = []
        chance = random.Random(seed)
        self._rushes = {role: tuple(chance.uniform(0, hours) * HOUR for _ in range(6)) for role in ROLES}
        self._deaths = sorted((chance.uniform(1, hours) * HOUR, chance.random()) for _ in range(round(hours / 6)))
        self._repairs: list[tuple[float, str]] = []
        self._machines = {}
        for number, host in enumerate(inventory.hosts):
            machine = Machine(host.name, cards(host.accelerator, GPUS, number), now=0.0, seed=seed + number)
            machine.demand = self._demand
            self._machines[host.name] = machine
        for model in inventory.placed:
            self._start(model)
        self.advance(600.0)
        self.served = {role: Served() for role in ROLES}

    def advance(self, to: float) -> None:
        """Let time pass everywhere, with what breaks and what is repaired in it."""
        while self.now < to:
            self.now = min(to, self.now + SAMPLE)
            for machine in self._machines.values():
                machine.advance(self.now)
            while self._deaths and self._deaths[0][0] <= self.now:
                self._kill_one(self._deaths.pop(0)[1])
            for due, name in [repair for repair in self._repairs if repair[0] <= self.now]:
                self._repairs.remove((due, name))
                model = self.inventory.model(name)
                run = self._run_of(model)
                if model.enabled and (run is None or run.phase is Phase.ENDED):
                    self._start(model)
            for role, served in self.served.items():
                self._count(role, served)

    def state(self) -> FleetState:
        """What gpudeck would read."""
        state = join(assess(self.inventory, with_fixes=False), {}, self.now)
        hosts = tuple(replace(host, link=Link.LIVE) for host in state.hosts)
        return replace(state, hosts=hosts, models=tuple(self._seen(each) for each in state.models))

    def carry_out(self, act: Act) -> bool:
        """Stops, each until its memory is back; then starts, until they serve. What fails is taken back."""
        after = apply(self.inventory, act.changes)
        for name in act.models:
            if not after.model(name).enabled:
                self._stop(self.inventory.model(name))
        for name in act.models:
            if after.model(name).enabled:
                run = self._start(after.model(name))
                while run.phase is Phase.LOADING:
                    self.advance(self.now + SAMPLE)
                if run.phase is not Phase.SERVING:
                    self.refused.append(act.sentence)
                    return False
        self.inventory = after
        return True

    def _seen(self, each: ModelState) -> ModelState:
        run = self._run_of(each.model) if each.model.enabled else None
        if run is None:
            return replace(each, word=ModelWord.DISABLED)
        word = {Phase.SERVING: ModelWord.SERVING, Phase.LOADING: ModelWord.LOADING}.get(run.phase, ModelWord.FAILED)
        load = run.load
        engine = EngineReading(kv_usage=load.kv_usage, running=load.running, waiting=load.waiting) if load else None
        return replace(each, word=word, engine=engine or EngineReading())

    def _demand(self, unit: str, at: float) -> float:
        role = unit.partition("-")[0]
        return asked(role, at, self._rushes[role]) / max(1, len(self._serving(role)))

    def _serving(self, role: str) -> list[Run]:
        runs = [run for machine in self._machines.values() for run in machine.runs.values()]
        return [run for run in runs if run.unit.startswith(role) and run.phase is Phase.SERVING]

    def _count(self, role: str, served: Served) -> None:
        serving = self._serving(role)
        loads = [run.load for run in serving if run.load]
        served.working += sum(load.running for load in loads) * SAMPLE
        served.waiting += sum(load.waiting for load in loads) * SAMPLE
        served.unserved += 0.0 if serving else SAMPLE
        served.copies += len(serving) * SAMPLE

    def _kill_one(self, chosen: float) -> None:
        serving = [run for role in ROLES for run in self._serving(role)]
        run = serving[int(chosen * len(serving))]
        next(machine for machine in self._machines.values() if run in machine.runs.values()).kill(run)
        self._repairs.append((self.now + REPAIR, run.unit))

    def _run_of(self, model: Model) -> Run | None:
        return self._machines[model.place.host].runs.get(model.name) if model.place else None

    def _start(self, model: Model) -> Run:
        assert model.place is not None, "what starts has a place"
        assert model.engine.version is not None, "every model here has one"
        environment = {"HIP_VISIBLE_DEVICES": ",".join(map(str, model.place.gpus))}
        machine = self._machines[model.place.host]
        return machine.start(model.name, command_line(model), environment, model.engine.version)

    def _stop(self, model: Model) -> None:
        run = self._run_of(model)
        if run is not None and model.place is not None:
            self._machines[model.place.host].stop(run)
            self.advance(self.now + STOPPED)


def fly(fleet: Fleet, hours: float) -> Acts:
    """The autopilot over that fleet."""
    watch, acts = Watch(), Acts()
    roles = fleet.inventory.autopilot.roles if fleet.inventory.autopilot else ()
    while fleet.now < hours * HOUR:
        state = fleet.state()
        watch.see(state, roles, BEGIN + fleet.now)
        now = Situation(fleet.inventory, state, watch, BEGIN + fleet.now)
        act = propose(now, Circumstances(), acts).act
        if act is not None:
            ended = Ended.DONE if fleet.carry_out(act) else Ended.FAILED
            acts.add(Attempt(BEGIN + fleet.now, act.subject, act.models, ended, act.sentence))
        fleet.advance(fleet.now + LOOK)
    return acts


def turns(acts: Acts) -> int:
    """Acts that undo, within an hour, what was done about the same model: what flapping would be."""
    last: dict[str, float] = {}
    found = 0
    for act in acts.tried:
        for name in act.models:
            found += name in last and act.at - last[name] < HOUR
            last[name] = act.at
    return found


def main() -> int:
    """Play both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    inventory = load_text(fleet_text(), Path("soak.yaml"))
    began = time.monotonic()
    still = Fleet(inventory, options.hours, options.seed)
    still.advance(options.hours * HOUR)
    flown = Fleet(inventory, options.hours, options.seed)
    acts = fly(flown, options.hours)
    print(f"{'':<6} {'':<10} {'at work of all there':>21} {'unserved':>9} {'models on average':>18}")
    for role in ROLES:
        for name, fleet in (("still", still), ("autopilot", flown)):
            served = fleet.served[role]
            copies = served.copies / (options.hours * HOUR)
            print(f"{role:<6} {name:<10} {100 * served.level:>20.2f}% {served.unserved:>7.0f} s {copies:>18.2f}")
    hourly = Counter(int((act.at - BEGIN) // HOUR) for act in acts.tried)
    failed = [act for act in acts.tried if act.ended is not Ended.DONE]
    unexplained = [act for act in acts.tried if ": " not in act.sentence]
    print(
        f"{len(acts.tried)} acts in {options.hours:g} h, at most {max(hourly.values(), default=0)} in an hour; "
        f"{turns(acts)} undone within an hour; {len(failed)} failed; {len(unexplained)} without a reason"
    )
    print(f"{time.monotonic() - began:.0f} s")
    return int(bool(failed or unexplained))


if __name__ == "__main__":
    raise SystemExit(main())
