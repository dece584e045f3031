"""The way back from any point of a plan, replayed on a host in memory."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench import Bench
from fake_host import LOAD_TICKS, TOTAL
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.inventory.changes import Change, Disable, Enable, Move, Restart
from fleet.model import Place
from fleet.planning.plan import Step
from fleet.rollout.restoring import restoring

PLACES = [f"gpu01/{index}" for index in range(4)]
NAMES = "abcde"
models = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(1, 190), st.booleans()), min_size=1, max_size=5)
moves = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([*PLACES, "on", "off", "restart"])), max_size=4)


def change(name: str, what: str) -> Change:
    match what:
        case "on":
            return Enable(name)
        case "off":
            return Disable(name)
        case "restart":
            return Restart(name)
        case _:
            return Move(name, Place.parse(what))


async def take(bench: Bench, step: Step) -> None:
    for command in step.commands:
        assert (await bench.host.write(command)).ok
    for _ in range(LOAD_TICKS):
        bench.host.tick()


async def go_and_come_back(
    path: Path, fleet: list[tuple[str, int, bool]], wanted: list[tuple[int, str]], part: float
) -> None:
    bench = Bench(path)
    for name, (place, size, enabled) in zip(NAMES, fleet, strict=False):
        room = bench.host.used(int(place[-1])) // (1 << 30) + size < TOTAL >> 30
        bench.add(name, place, size, enabled=enabled and room)
    before = bench.host.state
    plan = await bench.plan(*(change(NAMES[n], what) for n, what in wanted if n < len(fleet)))
    begun = [step for step in plan.steps if step.n <= round(part * len(plan.steps))]
    for step in begun:
        await take(bench, step)
    for step in restoring(plan, [step.n for step in begun]):
        await take(bench, step)
        assert all(bench.host.used(gpu) <= TOTAL for gpu in range(4))
    assert bench.host.state == before


@settings(max_examples=60)
@given(models, moves, st.floats(0, 1))
def test_undoing_any_part_of_a_plan_gives_back_the_first_state(
    fleet: list[tuple[str, int, bool]], wanted: list[tuple[int, str]], part: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(go_and_come_back(Path(folder) / "journal.sqlite", fleet, wanted, part))
