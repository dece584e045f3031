"""A model's log on its screen: followed, held, searched, wrapped, its lines about memory explained."""

from __future__ import annotations

import pytest
from piloting import answer, command, press
from recorded_demo import RecordedSession
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.logs.kept import CHARACTERS, LINES, KeptLines, Line
from console.logs.meaning import line_of
from console.screens.logs import LogsScreen
from widgets.log_view import LogView

STARTED = (
    "Started vllm-llama-3.1-8b.service.",
    "INFO 11-21 07:50:14 [model_runner.py:1202] Model loading took 15.3047 GiB and 7.410000 seconds",
    "INFO 11-21 07:50:16 [executor_base.py:112] # rocm blocks: 40346, # CPU blocks: 2048",
    "INFO 11-21 07:50:31 [model_runner.py:1684] Graph capturing finished in 14 secs, took 0.72 GiB",
    "INFO: Application startup complete.",
)
REFUSED = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`."


def requests(number: int) -> tuple[str, ...]:
    return tuple(f"INFO: request {n} done" for n in range(number))


async def opened(pilot: Pilot[None]) -> str:
    return await press(pilot, "l")


def view(app: GpudeckApp) -> LogView:
    return app.screen.query_one(LogView)


def row(text: str, part: str) -> str:
    (found,) = [line for line in text.splitlines() if part in line]
    return found


async def test_the_engines_memory_lines_are_explained_in_the_margin(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = STARTED
    async with console_app.run_test(size=(160, 48)) as pilot:
        text = await opened(pilot)
        assert row(text, "Model loading took").endswith("◂ weights in memory: 15.3 GiB")
        assert row(text, "rocm blocks").endswith("◂ KV cache of 40346 blocks")
        assert row(text, "Graph capturing").endswith("◂ captured graphs: 0.72 GiB")
        assert row(text, "startup complete").endswith("◂ it serves from here on")


async def test_without_room_for_a_margin_the_explanation_is_below(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = STARTED
    async with console_app.run_test(size=(80, 24)) as pilot:
        lines = (await opened(pilot)).splitlines()
        here = next(number for number, line in enumerate(lines) if "Model loading" in line)
        assert "7.410000 seconds" in lines[here + 1]
        assert any("└ weights in memory: 15.3 GiB" in line for line in lines[here : here + 3])


async def test_it_follows_the_newest_line_and_holds_still_when_told(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = requests(100)
    async with console_app.run_test(size=(80, 24)) as pilot:
        text = await opened(pilot)
        assert "following" in text
        assert "request 99 done" in text
        text = await press(pilot, "pageup")
        assert "request 99 done" not in text
        assert "held still, 20 lines below" in text
        assert "request 0 done" in await press(pilot, "home")
        text = await press(pilot, "space")
        assert "following" in text
        assert "request 99 done" in text
        assert "held still, 0 lines below" in await press(pilot, "space")


async def test_held_still_nothing_moves_while_lines_come(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.log = requests(100)
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await press(pilot, "up")
        kept = view(console_app)._lines
        assert isinstance(kept, KeptLines)
        for number in range(100, 150):
            kept.add(line_of("vllm", f"INFO: request {number} done"))
        console_app.screen._show()  # type: ignore[attr-defined]
        text = await press(pilot)
        assert "request 98 done" in text
        assert "request 99 done" not in text
        assert "51 lines below" in text


async def test_search_finds_the_newest_first_and_goes_through_all(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = requests(100)
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        text = await answer(pilot, "slash", "REQUEST 1")
        assert "'REQUEST 1': 11 of 11" in text
        assert "▸ INFO: request 19 done" in text
        assert "▸ INFO: request 18 done" in await press(pilot, "N")
        assert "▸ INFO: request 19 done" in await press(pilot, "n")
        assert "▸ INFO: request 1 done" in await press(pilot, "n")
        text = await press(pilot, "slash", "escape")
        assert "REQUEST" not in text


async def test_at_the_end_the_window_is_full_whatever_was_searched(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = requests(100)
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        lines = (await answer(pilot, "slash", "99")).splitlines()
        assert "▸ INFO: request 99 done" in lines[-2]
        assert "request 79 done" in lines[2]


async def test_what_is_not_there_is_said(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "is in none of these lines" in await answer(pilot, "slash", "zebra")
        assert "There is no error" in await press(pilot, "e")


async def test_keys_typed_into_the_search_are_text(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await press(pilot, "slash", *"noweE", "space")
        assert isinstance(console_app.screen, LogsScreen)
        assert view(console_app).wraps
        assert view(console_app).follows


async def test_the_newest_error_is_one_key_away_and_known_without_colour(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = ("ERROR 11-21 one", REFUSED, *requests(100))
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        text = await press(pilot, "e")
        assert "▸ ValueError: No available memory" in text
        assert "✖ ERROR 11-21 one" in text
        assert "refusal: it does not start with this" in text
        assert "▸ ERROR 11-21 one" in await press(pilot, "e")


async def test_long_lines_are_wrapped_or_cut(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.log = ("x" * 150 + "end",)
    async with console_app.run_test(size=(80, 24)) as pilot:
        assert "xend" in await opened(pilot)
        text = await press(pilot, "w")
        assert "xend" not in text
        assert "x…" in text
        assert "long lines cut" in text


async def test_wrapped_lines_break_between_words_and_lose_nothing(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    words = " ".join(f"word{n:03}" for n in range(60))
    session.log = (words, "x" * 200)
    async with console_app.run_test(size=(80, 24)) as pilot:
        shown = [line.strip() for line in (await opened(pilot)).splitlines()]
        assert " ".join(line for line in shown if line.startswith("word")) == words
        assert "".join(line for line in shown if set(line) == {"x"}) == "x" * 200


async def test_older_lines_are_read_when_asked_for(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.log = requests(1500)
    async with console_app.run_test(size=(80, 24)) as pilot:
        assert "200 lines" in await opened(pilot)
        assert "1000 lines" in await press(pilot, "o")
        assert "1500 lines" in await press(pilot, "o")


async def test_hostile_text_and_secrets_do_not_reach_the_screen(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    session.log = ("\x1b]0;owned\x07\x1b[31mred [bold]x[/bold]", "vllm serve m --api-key=verysecretvalue")
    async with console_app.run_test(size=(80, 24)) as pilot:
        text = await opened(pilot)
        assert "red [bold]x[/bold]" in text
        assert "owned" not in text
        assert "verysecretvalue" not in text


def test_what_is_kept_is_bounded_by_lines_and_by_characters() -> None:
    kept = KeptLines()
    for number in range(LINES + 10):
        kept.add(Line(str(number)))
    assert (kept.first, kept.end, len(kept)) == (10, LINES + 10, LINES)
    assert kept[10].text == "10"
    for _ in range(LINES):
        kept.add(Line("x" * 1000))
    assert len(kept) == CHARACTERS // 1000


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO 11-21 [x.py:1] log_errors=True, on failure exit", ""),
        ("WARNING 11-21 [x.py:1] error rate", "warning"),
        ("(EngineCore pid=3) ERROR 11-21 [core.py:1] x", "error"),
        ("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.", "error"),
        ("Traceback (most recent call last):", "error"),
        ("UserWarning: warning of something", "warning"),
        ("all is well", ""),
    ],
)
def test_a_line_is_as_bad_as_its_logger_says_else_as_its_words(text: str, level: str) -> None:
    assert line_of("vllm", text).level == level


@pytest.mark.parametrize(
    ("engine", "text", "remark"),
    [
        ("llama.cpp", "load_tensors: ROCm0 model buffer size = 10240.00 MiB", "weights in memory: 10.0 GiB"),
        ("sglang", "KV Cache is allocated. dtype: bf16, K size: 20.00 GB, V size: 20.00 GB", "KV cache: 40.0 GiB"),
        ("vllm", "GPU KV cache size: 645,536 tokens", "KV cache holds 645,536 tokens"),
        ("vllm", "HIP out of memory. Tried to allocate 2.00 GiB.", "refusal: the GPU has no more memory"),
        ("vllm", "Sequence group 1 is preempted by RECOMPUTE mode", "KV cache full: a request begins anew"),
        ("whisper", "GPU KV cache size: 645,536 tokens", ""),
    ],
)
def test_each_engines_own_words_are_understood(engine: str, text: str, remark: str) -> None:
    assert line_of(engine, text).remark == remark


async def test_in_ascii_nothing_is_lost(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.log = (*STARTED, REFUSED)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, "glyphs ascii")
        text = await opened(pilot)
        assert text.isascii()
        assert "?" not in text
        assert "< weights in memory: 15.3 GiB" in text
        assert "E ValueError" in text


async def test_a_log_that_was_left_is_shown_nothing_more_while_its_parts_go(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        screen = console_app.screen
        assert isinstance(screen, LogsScreen)
        assert screen.is_up
        leaving = screen.dismiss()
        assert screen.query(LogView), "they are still there"
        assert not screen.is_up
        await leaving
