"""Two models side by side, now and in the past."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from piloting import answer, command, press
from recorded_demo import RecordedSession
from rewound import NOON
from svg_text import svg_text
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.history.recording import path_of
from console.screens.compare import CompareScreen
from fleet.history.values import Start
from fleet.history.writer import Writer
from fleet.inventory.changes import SetArgument, apply

TALL = (160, 90)


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.strip(" ≠").startswith(name))


async def compare(pilot: Pilot[None], one: str, other: str) -> str:
    return await answer(pilot, "colon", f"compare {one} {other}")


def started(model: str, at: int, outcome: str = "started", gpu: str = "gpu01/0", run: str = "a") -> Start:
    return Start(
        at, run, model, gpu, "vllm 0.9.0", "0123", {}, {}, outcome, "no room" if outcome != "started" else "", True, 42
    )


async def test_two_models_stand_beside_each_other_by_command(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        text = await compare(pilot, "llama-3.1-8b", "devstral-small")
        assert row(text, "weights").count("○") == 2
        assert "meta-llama/Llama-3.1-8B-Instruct" in row(text, "source")
        assert row(text, "KV tokens").split()[2].replace(",", "").isdigit()
        assert "reckoned" in row(text, "memory")
        assert "%" in row(text, "KV cache in use")


async def test_only_arguments_that_differ_are_marked(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.adopt(apply(session.inventory, [SetArgument("devstral-small", "max-num-seqs", 256)]))
    async with console_app.run_test(size=TALL) as pilot:
        text = await compare(pilot, "llama-3.1-8b", "devstral-small")
        assert not row(text, "max-num-seqs").strip().startswith("≠")
        assert "(256)" in row(text, "max-num-seqs")
        assert row(text, "max-model-len").strip().startswith("≠")


async def test_a_model_over_several_gpus_tells_the_fullest_and_all(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        text = await compare(pilot, "mai-ds-r1", "llama-3.1-8b")
        assert "on 3" in row(text, "all its GPUs")


async def test_two_marked_models_are_compared_with_a_key(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        text = await press(pilot, "space", "down", "space", "C")
        assert isinstance(console_app.screen, CompareScreen)
        assert "llama-3.1-8b" in text
        assert "kb-whisper-large" in text


async def test_one_alone_asks_for_the_other(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        assert "compare llama-3.1-8b" in await press(pilot, "C")
        await press(pilot, *"gemma", "tab", "enter")
        assert isinstance(console_app.screen, CompareScreen)


async def test_from_a_gpu_its_two_models_then_any_other(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        first = (await press(pilot, "1", "z", "C")).splitlines()[1].split()
        assert first == ["llama-3.1-8b", "kb-whisper-large"]
        assert (await press(pilot, "n")).splitlines()[1].split() == ["llama-3.1-8b", "deepcoder-14b"]
        assert (await press(pilot, "x")).splitlines()[1].split() == ["deepcoder-14b", "llama-3.1-8b"]
        assert "Where each byte goes" in await press(pilot, "escape")


@pytest.mark.parametrize("typed", ["one", "llama-3.1-8b", "llama-3.1-8b llama-3.1-8b", "llama-3.1-8b nobody"])
async def test_what_cannot_be_compared_is_a_sentence(console_app: GpudeckApp, typed: str) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        one, _, other = typed.partition(" ")
        text = await compare(pilot, one, other)
        assert "compare takes two models" in text or "There is no model" in text


async def test_the_last_starts_of_each_are_told_once_each(
    console_app: GpudeckApp, session: RecordedSession, utc: None
) -> None:
    writer = Writer(path_of(session), clock=lambda: NOON)
    for start in (
        started("mai-ds-r1", NOON - 300, "oom"),
        *(started("mai-ds-r1", NOON - 60, gpu=f"gpu01/{gpu}", run="b") for gpu in (4, 5, 6)),
    ):
        writer.add(start)
    writer.flush()
    writer.close()
    console_app.rewind.clock = lambda: NOON
    async with console_app.run_test(size=TALL) as pilot:
        lines = (await compare(pilot, "mai-ds-r1", "llama-3.1-8b")).splitlines()
        first = next(number for number, line in enumerate(lines) if "Last starts" in line) + 1
        assert "01-15 07:59 started in 42 s, vllm 0.9.0" in lines[first]
        assert "none was recorded" in lines[first]
        assert "01-15 07:55 oom in 42 s, vllm 0.9.0: no room" in lines[first + 1]
        assert "started" not in "".join(lines[first + 1 :])


async def test_the_past_compares_what_was_recorded(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        await press(pilot, "left_curly_bracket", "left_curly_bracket")
        text = await compare(pilot, "llama-3.1-8b", "devstral-small")
        assert "PAST" in text
        assert "failed" in row(text, "state")


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
async def test_nothing_is_cut_at_any_size(console_app: GpudeckApp, size: tuple[int, int]) -> None:
    async with console_app.run_test(size=size) as pilot:
        await compare(pilot, "mai-ds-r1", "devstral-small")
        await pilot.press("end")
        lines = svg_text(pilot.app.export_screenshot()).splitlines()
        assert max(map(len, lines)) <= size[0]
        assert not any("…" in line for line in lines)


async def test_in_ascii_what_differs_is_marked_too(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=TALL) as pilot:
        await command(pilot, "glyphs ascii")
        text = await press(pilot, "1", "z", "C")
        assert text.isascii()
        assert "?" not in text
        assert any(line.startswith(" ! engine") for line in text.splitlines())
