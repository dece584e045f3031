"""Carrying a plan out on its screen: the queue and what stops it, ways back that ask, and rollouts long over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from fake_host import FakeHost, Killed
from piloting import last_line, shown
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.fleets import journal_path
from console.operating import Operating
from console.screens.deck import DeckScreen
from console.screens.record import RecordScreen
from console.screens.rollout import RolloutScreen
from console.session import Session
from fleet.commands import Answer, Write
from fleet.inventory.changes import Change, Disable, Move
from fleet.model import Place
from fleet.planning.plan import Plan
from fleet.rollout.executor import Rollout
from fleet.rollout.journal import Journal
from fleet.services.detached import Launch
from fleet.units import duration

CLOCK = "14:02"


class Gate:
    """A connection to the host that begins steps only while it is open."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self.open = asyncio.Event()
        self.open.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    async def write(self, command: Write, timeout: float = 0) -> Answer:
        if isinstance(command, Launch):
            await self.open.wait()
        return await self._host.write(command, timeout)


class BenchSession(Session):
    """A session over the fake host."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.inventory, operating=Operating(), state_folder=bench.path.parent)
        self.bench = bench
        self.gate = Gate(bench.host)
        self._publish()

    def _publish(self) -> None:
        self.board.publish(self.bench.host.latest("gpu01"))

    def probe(self, host: str) -> Any:
        return self.bench.host

    def state(self, now: float | None = None) -> Any:
        self._publish()
        return super().state(self.bench.host.now)

    async def first_readings(self, timeout: float = 20.0) -> None:
        self._publish()

    async def reach(self, hosts: object, timeout: float = 20.0) -> None:
        """It is reached."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """``a`` serves on GPU 0 and ``b`` on GPU 1."""
    bench = Bench(tmp_path / "state" / "x")
    bench.add("a", "gpu01/0", 100)
    bench.add("b", "gpu01/1", 40)
    bench.path = journal_path(bench.inventory, bench.path.parent)
    return bench


@pytest.fixture
def session(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> BenchSession:
    session = BenchSession(bench)

    def rollout_of(_: Session, plan: Plan, journal: Journal, on_event: Callable[..., None], **options: Any) -> Rollout:
        operators: Any = {"gpu01": session.gate}
        return Rollout(plan, operators, bench.host, journal, on_event, operator="ops@here", **options)

    monkeypatch.setattr("console.screens.rollout.rollout_of", rollout_of)
    return session


@pytest.fixture
def app(session: BenchSession) -> GpudeckApp:
    return GpudeckApp(session, live=False, time_of_day=lambda: CLOCK, environment={})


def to(place: str, model: str = "a") -> Move:
    return Move(model, Place.parse(place))


async def open_rollout(pilot: Pilot[None], bench: Bench, *changes: Change) -> RolloutScreen:
    app = pilot.app
    assert isinstance(app, GpudeckApp)
    app.session.stage(*changes)
    app.session.operating.open_rollout(app, await bench.plan(*changes))
    await pilot.pause()
    assert isinstance(app.screen, RolloutScreen)
    return app.screen


async def settled(pilot: Pilot[None]) -> str:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return shown(pilot)


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until that holds."""
    for _ in range(1000):
        if holds():
            return
        await pilot.pause()
    raise AssertionError(shown(pilot))


async def test_the_queue_says_what_is_done_and_what_memory_there_is_now(app: GpudeckApp, bench: Bench) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        await open_rollout(pilot, bench, to("gpu01/2"))
        text = await settled(pilot)
        assert "Every step is done." in text
        assert text.count(" ✓ ") == len((await bench.plan(to("gpu01/3"))).steps)
        assert "single step" not in text.splitlines()[-1]
        memory = next(line for line in text.splitlines() if "gpu01/0" in line and "gpu01/2" in line)
        assert "0.0/192.0" in memory
        assert "100.0/192.0" in memory
        await pilot.press("escape")
        assert isinstance(app.screen, DeckScreen)
        assert not app.session.changes


async def test_it_pauses_after_a_step_takes_single_steps_and_goes_on(
    app: GpudeckApp, bench: Bench, session: BenchSession
) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        session.gate.open.clear()
        await open_rollout(pilot, bench, to("gpu01/2"))
        await pilot.press("space")
        assert "pausing after this step; space goes on" in shown(pilot)
        assert "single step" in last_line(pilot)
        assert "back" not in last_line(pilot).removesuffix("x leave").partition("roll back")[2]
        session.gate.open.set()
        await pilot.pause()
        await until(pilot, lambda: "paused after step 1 of 4; space goes on" in shown(pilot))
        assert bench.host.commands == ["sudo -n -- systemctl stop a.service"]
        await pilot.press("s")
        await pilot.pause()
        assert "tee" in bench.host.commands[-2] or "daemon-reload" in bench.host.commands[-1]
        assert not any("start" in command for command in bench.host.commands)
        await pilot.press("space")
        assert "Every step is done." in await settled(pilot)


async def test_every_step_has_its_time_and_the_whole_what_is_left(
    app: GpudeckApp, bench: Bench, session: BenchSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count(0.0, 7.0)
    monkeypatch.setattr(RolloutScreen, "clock", lambda self: next(ticks))
    async with app.run_test(size=(100, 30)) as pilot:
        session.gate.open.clear()
        screen = await open_rollout(pilot, bench, to("gpu01/2"))
        left = duration(sum(step.seconds for step in screen.progress.plan.steps))
        await until(pilot, lambda: f"carrying out: ~{left} left" in shown(pilot))
        text = shown(pilot)
        stop, wait = (next(line for line in text.splitlines() if f" {word} " in line) for word in ("stop", "wait"))
        assert stop.endswith("~10 s")
        assert "~" in wait
        session.gate.open.set()
        text = await settled(pilot)
        assert "~" not in text
        assert next(line for line in text.splitlines() if " stop " in line).endswith(" 7 s")


async def test_a_rollout_that_is_refused_is_told_as_not_begun(
    app: GpudeckApp, bench: Bench, session: BenchSession
) -> None:
    other = bench.journal()
    other.claim()
    async with app.run_test(size=(100, 30)) as pilot:
        await open_rollout(pilot, bench, to("gpu01/2"))
        assert "Another gpudeck on this machine is carrying out" in await settled(pilot)
        assert "not begun. esc goes back to the deck." in shown(pilot)
        assert bench.host.commands == []
        assert session.changes
    other.close()


async def test_a_way_back_is_paused_gone_step_by_step_and_left_as_the_way_there_is(
    app: GpudeckApp, bench: Bench, session: BenchSession
) -> None:
    before = bench.host.state
    async with app.run_test(size=(160, 48)) as pilot:
        session.gate.open.clear()
        await open_rollout(pilot, bench, to("gpu01/2"))
        assert "R roll back" in last_line(pilot)
        await pilot.press("R", "space")
        session.gate.open.set()
        await until(pilot, lambda: "going back, paused before the first step; space goes on" in shown(pilot))
        assert "single step" in last_line(pilot)
        assert "roll back" not in last_line(pilot)
        await pilot.press("s")
        await until(pilot, lambda: len(bench.host.commands) > 1)
        await pilot.press("x")
        text = await settled(pilot)
        assert "Half way: a (stop done on the way back)." in text
        assert ":rollouts does so from here." in text
        assert "esc back" in last_line(pilot)
        await pilot.press("escape", "colon", *"rollouts", "enter")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("R")
        assert "Everything is back as it was before." in await settled(pilot)
        assert bench.host.state == before


async def test_a_rollout_is_left_between_two_steps_and_carried_on_later(
    app: GpudeckApp, bench: Bench, session: BenchSession
) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        session.gate.open.clear()
        await open_rollout(pilot, bench, to("gpu01/2"))
        await pilot.press("x")
        assert "leaving everything as it stands after this step; x again does not wait for it" in shown(pilot)
        await pilot.press("x")
        session.gate.open.set()
        assert "Left as it stands" in await settled(pilot)
        assert bench.host.commands == ["sudo -n -- systemctl stop a.service"]
        assert session.changes
        await pilot.press("escape", "colon", *"rollouts", "enter")
        assert "did not end" in await settled(pilot)
        await pilot.press("enter")
        assert "enter carries it on; nothing that runs now is stopped." in await settled(pilot)
        await pilot.press("enter")
        assert "Every step is done." in await settled(pilot)
        assert bench.host.state["a"][2] == (2,)
        assert not session.changes


async def test_a_way_back_that_would_stop_another_model_asks(app: GpudeckApp, bench: Bench) -> None:
    bench.host.refuses["b.service"] = "ValueError: No available memory for the cache blocks."
    async with app.run_test(size=(160, 48)) as pilot:
        await open_rollout(pilot, bench, to("gpu01/1"), to("gpu01/0", "b"))
        await pilot.pause()
        text = shown(pilot)
        assert "The way back would stop a, serving now: R goes back, space leaves all as it stands" in text
        assert "No available memory for the cache blocks" in text
        bench.host.faulty_starts = 0
        await pilot.press("R")
        text = await settled(pilot)
        assert "Restoring what was there before" in text
        assert bench.host.state["a"][::2] == (True, (0,))


async def test_a_rollout_that_is_over_is_looked_at_later_and_changes_nothing(app: GpudeckApp, bench: Bench) -> None:
    bench.host.refuses["a.service"] = "ValueError: No available memory for the cache blocks."
    bench.host.faulty_starts = 1
    await bench.run(to("gpu01/2"))
    await bench.run(to("gpu01/2"))
    before = list(bench.host.commands)
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("colon", *"rollouts", "enter")
        text = await settled(pilot)
        assert text.index("by ops@here: done") < text.index("by ops@here: restored")
        await pilot.press("down", "enter")
        text = await settled(pilot)
        assert isinstance(app.screen, RecordScreen)
        assert "move a to gpu01/2" in text
        assert "✗ " in text
        assert text.count("No available memory for the cache blocks") >= 1
        assert "Restoring what was there before" in text
        await pilot.press("enter", "R", "R", "x", "space")
        assert isinstance(app.screen, RecordScreen)
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, DeckScreen)
    assert bench.host.commands == before


async def killed_after(bench: Bench, commands: int, *changes: Change) -> None:
    """The console's process ends when it has sent so many commands."""
    bench.host.fault = (len(bench.host.commands) + commands - 1, True, Killed())
    with pytest.raises(Killed):
        await bench.run(*changes)
    bench.host.tick()


async def test_the_next_console_shows_what_was_cut_off_and_carries_it_on(app: GpudeckApp, bench: Bench) -> None:
    await killed_after(bench, 1, to("gpu01/2"))
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, RecordScreen)
        text = await settled(pilot)
        assert "by ops@here: did not end, in the middle of stop a" in text
        assert "How it ended is not known." in text
        assert "enter carries it on; nothing that runs now is stopped." in text
        assert "R undoes it; nothing that runs now is stopped." in text
        await pilot.press("enter")
        assert "Every step is done." in await settled(pilot)
        assert bench.host.state["a"][::2] == (True, (2,))


async def test_going_back_asks_before_it_stops_a_model_that_serves(app: GpudeckApp, bench: Bench) -> None:
    steps = (await bench.plan(to("gpu01/2"), Disable("b"))).steps
    served = next(number for number, step in enumerate(steps) if step.action == "wait")
    commands = sum(len(step.commands) for step in steps[: served + 1])
    await killed_after(bench, commands + 1, to("gpu01/2"), Disable("b"))
    async with app.run_test(size=(160, 48)) as pilot:
        text = await settled(pilot)
        assert "R undoes it, and stops a, which runs now." in text
        await pilot.press("R")
        assert "That stops a. R again goes back, esc leaves all as it stands." in shown(pilot)
        assert bench.host.state["a"][::2] == (True, (2,))
        await pilot.press("R")
        assert "Everything is back as it was before." in await settled(pilot)
        assert bench.host.state["a"] == (True, None, (0,))
        assert bench.host.state["b"][0]


async def test_what_stands_is_accepted_once_it_was_asked_twice(app: GpudeckApp, bench: Bench) -> None:
    await killed_after(bench, 1, to("gpu01/2"))
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await pilot.press("A")
        assert "After that it can be neither carried on nor undone. A again ends it" in shown(pilot)
        assert bench.unfinished() is not None
        await pilot.press("A")
        assert "Everything is left as it stands" in await settled(pilot)
        assert bench.unfinished() is None


async def test_what_carrying_on_would_stop_is_said(app: GpudeckApp, bench: Bench) -> None:
    await killed_after(bench, 1, to("gpu01/2"), Disable("b"))
    async with app.run_test(size=(160, 48)) as pilot:
        assert "enter carries it on, and stops b, which runs now." in await settled(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, DeckScreen)
        assert bench.unfinished() is not None


async def test_a_rollout_that_another_console_carries_out_is_not_offered(app: GpudeckApp, bench: Bench) -> None:
    await killed_after(bench, 1, to("gpu01/2"))
    other = bench.journal()
    other.claim()
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, DeckScreen)
        assert "Another gpudeck on this machine is carrying out" in shown(pilot)
    other.close()
