"""What operators do most, in the demo over real SSH, by keyboard only; every key pressed is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from svg_text import said, svg_text
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.history.recording import path_of
from console.operating import Operating
from console.session import Session
from fleet.history.values import Event, EventKind
from fleet.history.writer import record
from fleet.inventory.changes import SetArgument
from fleet.inventory.loading import load
from fleet.model import GpuId, Place
from fleet.services.systemd import Systemd
from fleet.simulator.child import Demo, start_demo
from fleet.state import ModelWord

PATIENCE = 60


class Keyboard:
    """Presses keys and counts them."""

    def __init__(self, pilot: Pilot[None], session: Session) -> None:
        self._pilot = pilot
        self._session = session
        self.pressed = 0

    async def press(self, *keys: str) -> None:
        """Press these, and let the screen settle."""
        for key in keys:
            await self._pilot.press(key)
            self.pressed += 1
        await self._pilot.pause()

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return svg_text(self._pilot.app.export_screenshot())

    async def sees(self, words: str) -> str:
        """Wait until these words stand on the screen; the screen then."""
        await self.until(lambda: words in self.text, words)
        return self.text

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until this holds, looking at each new reading."""
        news = asyncio.Event()
        unsubscribe = self._session.board.subscribe(lambda _: news.set())
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    news.clear()
                    await self._pilot.pause()
                    if not holds():
                        await news.wait()
        except TimeoutError:
            raise AssertionError(f"never came to: {what}\n{self.text}") from None
        finally:
            unsubscribe()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with start_demo(tmp_path / "demo", speed=100) as demo:
        asyncio.run(demo.ready())
        yield demo


@pytest.fixture
def session(demo: Demo, tmp_path: Path) -> Session:
    return Session(load(demo.fleet_file), operating=Operating(), state_folder=tmp_path / "state", interval=0.2)


@pytest.fixture
async def keyboard(session: Session) -> AsyncIterator[Keyboard]:
    """In front of a console whose hosts are read and whose models all serve."""
    app = GpudeckApp(session, environment={})
    async with app.run_test(size=(160, 48)) as pilot:
        keyboard = Keyboard(pilot, session)
        await keyboard.until(lambda: all_serve(session), "all models serve")
        yield keyboard


def all_serve(session: Session) -> bool:
    return all(model.word is ModelWord.SERVING for model in session.state().models if model.model.enabled)


async def test_a_model_is_moved_and_serves_there_with_eight_keys_at_most(keyboard: Keyboard, session: Session) -> None:
    await keyboard.press("down", "m", "8", "enter", "p")
    await keyboard.sees("systemctl start whisper.service")
    await keyboard.press("enter")
    await keyboard.sees("Every step is done.")
    assert session.inventory.model("kb-whisper-large").place == Place("gpu01", (7,))
    assert keyboard.pressed <= 8


async def test_kv001_is_fixed_from_its_warning_with_four_keys_at_most(keyboard: Keyboard, session: Session) -> None:
    session.stage(SetArgument("llama-3.3-70b", "gpu-memory-utilization", 0.85))
    assert "KV001" in {finding.code for finding in session.state().findings}
    await keyboard.press("f", "enter", "p")
    await keyboard.sees("systemctl start vllm-llama-3.3-70b.service")
    await keyboard.press("enter")
    await keyboard.sees("Every step is done.")
    assert "KV001" not in {finding.code for finding in session.state().findings}
    assert keyboard.pressed <= 4


async def test_why_a_start_failed_is_found_with_three_keys_at_most(keyboard: Keyboard, session: Session) -> None:
    operator = session.operator("gpu01")
    unit = Systemd("vllm-llama-3.3-70b.service", "sudo")
    before = unit.parse_definition(await operator.read(unit.definition()))
    words = ("vllm", "serve", "meta-llama/Llama-3.3-70B-Instruct", "--port", "8005", "--gpu-memory-utilization", "0.85")
    broken = unit.overlay(before, words, {})
    for command in (unit.stop(), *unit.write_overlay(broken), unit.start()):
        await operator.write(command)
    await keyboard.sees("failed: The model's max seq len")
    await keyboard.press("n")
    why = "llama-3.3-70b failed: The model's max seq len (131072) is larger"
    await keyboard.until(lambda: why in said(keyboard.text), why)
    await keyboard.press("l")
    await keyboard.sees("ValueError: The model's max seq len (131072) is larger")
    assert keyboard.pressed <= 3


async def test_a_gpu_is_evacuated_with_five_keys_at_most(keyboard: Keyboard, session: Session) -> None:
    await keyboard.press("4", "E")
    await keyboard.sees("is to be emptied")
    await keyboard.press("enter", "p")
    await keyboard.sees("Steps, about")
    await keyboard.press("enter")
    await keyboard.sees("Every step is done.")
    here = GpuId("gpu01", 3)
    assert not [model.name for model in session.inventory.placed if model.place and here in model.place.gpu_ids]
    assert keyboard.pressed <= 5


async def test_what_changed_in_the_last_hour_is_seen_with_three_keys_at_most(
    keyboard: Keyboard, session: Session
) -> None:
    now = int(time.time())
    stopped = Event(now - 900, EventKind.STATE, "kb-whisper-large", "stopped")
    rolled_out = Event(now - 600, EventKind.ROLLOUT, "kb-whisper-large", "done")
    record(path_of(session), stopped, rolled_out)
    await keyboard.press("d")
    await keyboard.sees("kb-whisper-large rollout done")
    assert keyboard.pressed <= 3


def word(session: Session, name: str) -> ModelWord:
    return session.state().model(name).word
