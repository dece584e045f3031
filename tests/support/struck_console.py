"""A console that carries a plan out until something is done to its process, in the middle of a step of one kind.

Run as ``struck_console.py FLEET STATE PLAN KIND FAULT``, where FAULT is ``kill``, ``disk`` or ``clock``. What it ends
with is printed as JSON; a clock is turned as FAKETIME_TIMESTAMP_FILE and TURN_BY (in seconds) say.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from console.changing.carrying_out import open_journal, rollout_of
from console.operating import Operating
from console.session import Session
from fleet.commands import Answer, Write
from fleet.inventory.loading import load
from fleet.planning.json import plan_from_json
from fleet.planning.plan import Action, Plan
from fleet.rollout.events import Event, Kind
from fleet.services.detached import Launch
from fleet.ssh.operator import Operator


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    """The system lets this process write nothing more to any file."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))


def turn_clock() -> None:
    file = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
    new = file.with_name("new")
    new.write_text(os.environ["TURN_BY"])
    new.rename(file)


FAULTS = {"kill": kill, "disk": fill_disk, "clock": turn_clock}


async def main(session: Session, plan: Plan, kind: str, fault: str) -> None:
    target = [step for step in plan.steps if step.action is Action(kind)][-1]
    is_at_it = False
    write = Operator.write

    def watch(event: Event) -> None:
        nonlocal is_at_it
        is_at_it = is_at_it or (event.kind, event.step) == (Kind.STARTED, target)
        if is_at_it and not target.commands:
            FAULTS[fault]()

    async def struck(self: Operator, command: Write, timeout: float = 60.0) -> Answer:
        answer = await write(self, command, timeout)
        if is_at_it and isinstance(command, Launch):
            FAULTS[fault]()
        return answer

    Operator.write = struck  # type: ignore[method-assign]
    began, ticked = time.time(), time.monotonic()
    async with session.watching():
        await session.first_readings()
        with closing(open_journal(session)) as journal:
            result = await rollout_of(session, plan, journal, watch).run()
    drift = time.time() - began - (time.monotonic() - ticked)
    print(json.dumps({"outcome": result.outcome, "message": result.message, "drift": drift}))


fleet, state, plan_file = map(Path, sys.argv[1:4])
watching = Session(load(fleet), operating=Operating(), state_folder=state, interval=0.25)
asyncio.run(main(watching, plan_from_json(plan_file.read_text()), *sys.argv[4:]))
