"""The edit form: what is typed, estimated, refused, fitted and staged."""

from __future__ import annotations

import pytest
from piloting import shown, until
from recorded_demo import RecordedSession
from textual import events
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.editing.form import form
from console.editing.rows import said_rows
from fleet.inventory.changes import SetArgument
from fleet.model import Engine, Model
from widgets.hints import Hints
from widgets.value_line import ValueLine

WIDE = (160, 48)
LLAMA_70B = "llama-3.3-70b"


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press these keys, and wait until all that follows from them is drawn."""
    await pilot.press(*keys)
    await pilot.pause()


def row(pilot: Pilot[None], start: str) -> str:
    """The first line of the screen on which a row of the form begins like that."""
    return next(line for line in shown(pilot).splitlines() if f"│ {start}" in line)


async def test_a_number_typed_right_away_is_the_utilization_and_estimated_before_it_is_staged(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *"0.85")
        text = shown(pilot)
        assert "KV001" in text
        assert "The model's max seq len (131072) is larger" in text
        assert "→ 97,904 tokens" in text
        assert "1.3 x 131,072 → 0.7 x 131,072" in text
        assert not session.changes
        await press(pilot, "enter")
        assert session.changes == (SetArgument(LLAMA_70B, "gpu-memory-utilization", 0.85),)


async def test_the_bars_show_the_gpu_now_and_after(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e")
        before = row(pilot, "gpu01/2   now")
        await press(pilot, *"0.5")
        assert row(pilot, "gpu01/2   now") == before
        after = next(line for line in shown(pilot).splitlines() if " after " in line)
        assert after.count("▓") < before.count("▓")


async def test_several_arguments_are_typed_and_staged_at_once(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *"0.9", "tab", *"64k", "shift+tab")
        assert pilot.app.screen.query_one(ValueLine).value == "0.9"
        assert "65536" not in shown(pilot) and "64k (was –)" in shown(pilot)
        await press(pilot, "enter")
        assert session.changes == (
            SetArgument(LLAMA_70B, "gpu-memory-utilization", 0.9),
            SetArgument(LLAMA_70B, "max-model-len", 65536),
        )


async def test_escape_forgets_what_was_typed(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *"0.5", "escape", "e")
        assert pilot.app.screen.query_one(ValueLine).value == "0.97"
        assert not session.changes


async def test_an_emptied_value_takes_the_argument_away(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "8", "e", "down", "backspace")
        assert "131,072 by default" in shown(pilot)
        await press(pilot, "enter")
        assert session.changes == (SetArgument("gemma-3-27b", "max-model-len", None),)


@pytest.mark.parametrize(("value", "sentence"), [("2", "at most 1"), ("x", "is a share of the GPU")])
async def test_a_wrong_value_is_refused_in_words_as_it_is_typed_and_not_staged(
    console_app: GpudeckApp, session: RecordedSession, value: str, sentence: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *value)
        assert sentence in row(pilot, "✖")
        await press(pilot, "down", "enter")
        assert pilot.app.screen.query_one(ValueLine).value == value
        assert not session.changes


async def test_what_is_wrong_is_left_out_while_another_argument_is_typed(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", "x", "down", *"64k")
        text = shown(pilot)
        assert "Left out: gpu-memory-utilization is a share of the GPU" in text
        assert "2.6 x 65,536" in text


async def test_left_and_right_go_along_the_slider_by_hundredths(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", "left", "left", "right")
        assert pilot.app.screen.query_one(ValueLine).value == "0.96"


async def test_the_safe_range_is_what_the_length_needs_and_the_neighbours_leave(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e")
        assert "safe: 0.91 to 0.97" in row(pilot, "0.01 ├")
        await press(pilot, "escape", "2", "e")
        assert "safe: 0.29 to 0.48" in row(pilot, "0.01 ├")


@pytest.mark.parametrize(
    ("keys", "value", "sentence"),
    [
        ((), "0.91", "smallest utilization"),
        (("down", "down"), "1", "one sequence of 131,072 tokens"),
        ((*"0.85", "down"), "95776", "95,776 is the longest length"),
    ],
)
async def test_f_fills_in_what_fits_and_says_so(
    console_app: GpudeckApp, keys: tuple[str, ...], value: str, sentence: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *keys, "f")
        assert pilot.app.screen.query_one(ValueLine).value == value
        assert sentence in shown(pilot)


async def test_choices_follow_each_other(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *["down"] * 4, "right", "down", "right", "enter")
        assert session.changes == (
            SetArgument(LLAMA_70B, "kv-cache-dtype", "fp8"),
            SetArgument(LLAMA_70B, "enforce-eager", True),
        )


async def test_any_other_argument_is_added_and_kept(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", "up", *["down"] * 20, *"--swap-space 8", "enter")
        assert session.changes == (SetArgument(LLAMA_70B, "swap-space", 8),)
        assert "swap-space" in row(pilot, "▸ ")
        await press(pilot, "up", "enter")
        assert session.changes == (SetArgument(LLAMA_70B, "swap-space", 8),)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("max_num_seqs 4", "writes 'max_num_seqs' with dashes: max-num-seqs"),
        ("= 4", "is not an argument; write its flag"),
    ],
)
async def test_an_added_argument_that_no_engine_reads_is_refused(
    console_app: GpudeckApp, session: RecordedSession, typed: str, sentence: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *["down"] * 8)
        await press(pilot, *typed, "enter")
        assert sentence in shown(pilot)
        assert not session.changes


async def test_a_model_without_known_arguments_says_so(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "4", "down", "e")
        assert "no arguments that gpudeck knows" in shown(pilot)


async def test_a_disabled_model_is_estimated_on_gpus_of_its_own(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        console_app.open_edit("qwen3-235b")
        await pilot.pause()
        assert "on an empty MI300X:" in shown(pilot)
        assert "✖" in row(pilot, "✖")
        await press(pilot, *["down"] * 6, "4")
        assert "on 4 empty MI300X:" in shown(pilot)
        assert "It would start." in shown(pilot)


async def test_a_small_screen_shows_the_arguments_around_the_chosen_one_and_the_whole_refusal(
    console_app: GpudeckApp,
) -> None:
    async with console_app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "e", *"0.85")
        text = shown(pilot)
        assert "more" in row(pilot, "  ↓")
        assert "fix: max-model-len 95776 | utilization 0.91 | fp8 KV" in text
        await press(pilot, *["down"] * 7)
        assert "dtype" in row(pilot, "▸")


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp", "sglang", "exllamav2", "text-embeddings-inference", "whisper"])
@pytest.mark.parametrize("width", [30, 48, 66])
def test_what_an_argument_does_is_never_cut(engine: str, width: int) -> None:
    for field in form(Model("m", Engine(engine))).fields:
        rows = ["".join(span.text for span in row) for row in said_rows(field, width)]
        assert max(map(len, rows)) <= width
        assert " ".join(" ".join(rows).split()).startswith(field.argument.help)


async def test_several_arguments_are_pasted_as_on_a_command_line(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *["down"] * 20)
        pilot.app.screen.query_one(ValueLine).value = "--block-size 32 --max-model-len=64k --trust-remote-code"
        await press(pilot, "enter")
        assert session.changes == (
            SetArgument(LLAMA_70B, "block-size", 32),
            SetArgument(LLAMA_70B, "max-model-len", 65536),
            SetArgument(LLAMA_70B, "trust-remote-code", True),
        )
        assert "staged: 3 changes" in shown(pilot)


@pytest.mark.parametrize("pasted", ["--block-size 32 --max-model-len", "--max-num-seqs=many --block-size 32"])
async def test_a_wrong_one_among_those_pasted_stages_none(
    console_app: GpudeckApp, session: RecordedSession, pasted: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *["down"] * 20)
        pilot.app.screen.query_one(ValueLine).value = pasted
        await press(pilot, "enter")
        assert not session.changes
        assert "is a whole number" in shown(pilot)


PASTED = "--block-size 32 --max-model-len 64k --enforce-eager"
WHOLE = f"""\
VLLM_USE_V1=1 vllm serve meta-llama/Llama-3.3-70B-Instruct \\
    {PASTED}
"""


@pytest.mark.parametrize("text", [PASTED, WHOLE])
@pytest.mark.parametrize("row_", [0, 3, 20])
async def test_arguments_pasted_into_any_row_go_to_their_own(
    console_app: GpudeckApp, session: RecordedSession, row_: int, text: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e", *["down"] * row_)
        console_app.screen.query_one(ValueLine).post_message(events.Paste(text))
        await until(pilot, lambda: "Filled in from what was pasted: block-size" in shown(pilot), "it is told")
        assert "64,000" in row(pilot, "  max-model-len") or "64000" in row(pilot, "  max-model-len")
        assert not session.changes
        await press(pilot, "enter")
        assert set(session.changes) == {
            SetArgument(LLAMA_70B, "block-size", 32),
            SetArgument(LLAMA_70B, "max-model-len", 64000),
            SetArgument(LLAMA_70B, "enforce-eager", True),
        }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.85 --block-size 32", "There is no command in it that serves a model"),
        ("--block-size 32 --max-model-len", "--max-model-len wants a value"),
        ("--", "share of the GPU"),
        ("python -m sglang.launch_server --model-path a/b --tp 2", "runs sglang, and llama-3.3-70b is served by vllm"),
        ("--seed 7 'unclosed", "cannot be read"),
    ],
)
async def test_what_is_pasted_and_cannot_be_read_is_told(
    console_app: GpudeckApp, session: RecordedSession, text: str, words: str
) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e")
        console_app.screen.query_one(ValueLine).post_message(events.Paste(text))
        await until(pilot, lambda: words in " ".join(shown(pilot).split()), words)
        await press(pilot, "enter")
        assert not session.changes


async def test_a_pasted_value_is_a_value(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        await press(pilot, "3", "e")
        line = console_app.screen.query_one(ValueLine)
        line.post_message(events.Paste("0.5\n"))
        await until(pilot, lambda: line.value == "0.5", "the value is in the line")
        await press(pilot, "enter")
        assert session.changes == (SetArgument(LLAMA_70B, "gpu-memory-utilization", 0.5),)


async def test_fit_is_offered_only_where_it_can_be_worked_out(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=WIDE) as pilot:
        hints = [("f", "fit")]
        await press(pilot, "3", "e")
        offered = []
        for _ in range(5):
            offered.append(set(hints) <= set(pilot.app.screen.query_one(Hints).hints))
            await press(pilot, "down")
        assert offered == [True, True, True, False, False]
