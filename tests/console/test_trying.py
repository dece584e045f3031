"""Models that nobody serves yet, tried on the deck."""

from __future__ import annotations

import pytest
from piloting import command, last_line
from recorded_demo import RecordedSession
from svg_text import svg_text

from console.app import GpudeckApp
from console.trying import with_trial
from fleet.errors import UsageError
from fleet.model import Arguments, GpuId
from widgets.deck import Deck


def test_a_model_of_the_catalogue_has_the_newest_engine_of_the_fleet(session: RecordedSession) -> None:
    fleet, model = with_trial(session.inventory, "Qwen/Qwen3-32B tp=2 max-model-len=32k")
    assert str(model.engine) == "vllm 0.9.0"
    assert model.source == "Qwen/Qwen3-32B"
    assert model.args == Arguments({"tensor-parallel-size": 2, "max-model-len": 32768})
    assert fleet.models[:-1] == session.inventory.models


def test_a_model_of_the_fleet_is_tried_as_another_copy_without_its_service(session: RecordedSession) -> None:
    _, model = with_trial(session.inventory, "gemma-3-27b util=0.4")
    assert model.args["gpu-memory-utilization"] == 0.4
    assert model.args["max-model-len"] == 32768
    assert (model.service, model.url, model.place, model.enabled) == (None, None, None, False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody/knows-this", "The architecture of 'nobody/knows-this' is not known"),
        ("Qwen/Qwen3-32B tp", "'tp' is no ARGUMENT=VALUE"),
        ("Qwen/Qwen3-32B tp=none", "whole number"),
        ("Qwen/Qwen3-32B util=7", "at most 1"),
        ("Qwen/Qwen3-32B =", "is no ARGUMENT=VALUE"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(session: RecordedSession, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        with_trial(session.inventory, text)


async def test_every_gpu_answers_to_a_tried_model_and_its_ghost_is_shown(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        said = await command(pilot, "try Qwen/Qwen3-32B util=0.5 max-model-len=16k")
        assert "best fit for Qwen3-32B?: gpu01/3 ✓ fits" in said
        text = svg_text(pilot.app.export_screenshot())
        assert "+Qwen3-32B?" in text
        assert text.count("✗ short") == 7
        await pilot.press("right")
        assert "trying Qwen3-32B?: ✗ short" in last_line(pilot)
        assert "WHAT-IF" in svg_text(pilot.app.export_screenshot())


async def test_a_tried_model_over_several_gpus_is_a_block(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, "try Qwen/Qwen3-32B tp=4 util=0.1")
        assert svg_text(pilot.app.export_screenshot()).count("⛔ too few GPUs") == 3


async def test_a_tried_model_is_never_staged(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await command(pilot, "try Qwen/Qwen3-32B util=0.5 max-model-len=16k")
        await pilot.press("enter")
        assert "Qwen3-32B? is only tried" in last_line(pilot)
        await pilot.press("s", "escape")
        assert not session.changes
        assert console_app.screen.query_one(Deck).gpu == GpuId("gpu01", 0)
        assert "Qwen3-32B?" not in svg_text(pilot.app.export_screenshot())


async def test_no_key_is_hinted_at_that_would_stage_a_tried_model(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(200, 48)) as pilot:
        await command(pilot, "try Qwen/Qwen3-32B")
        assert "put back" in last_line(pilot)
        assert "stage" not in last_line(pilot)


async def test_a_model_that_nobody_knows_is_told_of(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "Did you mean Qwen/Qwen3-32B" in await command(pilot, "try Qwen/Qwen3-33B")
