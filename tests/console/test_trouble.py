"""From a model that is down to why, from a GPU to an empty one, from a finding to its fix: one key each."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from piloting import shown
from recorded_demo import READ_AT, RecordedSession, recorded_snapshot

from console.app import GpudeckApp
from console.screens.rebalance import RebalanceScreen
from fleet.inventory.changes import SetArgument
from fleet.model import GpuId
from fleet.readings import HostSnapshot, ServiceReading, ServiceWord
from fleet.startup import Ending, ModelStart, Startup
from widgets.deck import Deck

REFUSAL = "The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache."


def down(snapshot: HostSnapshot, name: str, word: ServiceWord) -> HostSnapshot:
    services = MappingProxyType({**snapshot.services, name: ServiceReading(word)})
    return replace(snapshot, services=services, engines=MappingProxyType({}))


@pytest.fixture
def failing(session: RecordedSession) -> None:
    """devstral-small was refused by its engine, and gemma-3-27b is stopped."""
    snapshot = down(recorded_snapshot(), "devstral-small", ServiceWord.FAILED)
    snapshot = down(snapshot, "gemma-3-27b", ServiceWord.STOPPED)
    reading = snapshot.reading
    assert reading is not None
    args = session.inventory.model("devstral-small").args
    start = ModelStart(Startup("vllm", Ending.REFUSED, sentence=REFUSAL), args, "", "MI300X")
    failures = MappingProxyType({"devstral-small": start})
    session.board.publish(replace(snapshot, failures=failures, reading=replace(reading, processes=()), read_at=READ_AT))


@pytest.mark.usefixtures("failing")
async def test_a_key_goes_from_one_model_that_is_down_to_the_next_and_says_why(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(200, 60)) as pilot:
        deck = console_app.screen.query_one(Deck)
        await pilot.press("n")
        assert deck.model == "devstral-small"
        assert f"devstral-small failed: {REFUSAL}" in shown(pilot).splitlines()[-1]
        await pilot.press("n")
        assert deck.model == "gemma-3-27b"
        assert "gemma-3-27b stopped: l shows its log." in shown(pilot).splitlines()[-1]
        await pilot.press("n")
        assert deck.model == "devstral-small"


async def test_a_model_that_is_started_again_and_again_is_gone_to_between_two_failures(
    console_app: GpudeckApp, session: RecordedSession, failing: None
) -> None:
    snapshot = session.board.snapshots["gpu01"]
    again = ServiceReading(ServiceWord.STARTING, restarts=4)
    services = MappingProxyType({**snapshot.services, "devstral-small": again})
    session.board.publish(replace(snapshot, services=services))
    async with console_app.run_test(size=(200, 60)) as pilot:
        await pilot.press("n")
        assert console_app.screen.query_one(Deck).model == "devstral-small"
        assert f"devstral-small starting again: {REFUSAL}" in shown(pilot).splitlines()[-1]


@pytest.mark.usefixtures("failing")
async def test_the_pane_of_a_model_that_failed_says_why(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        pane = "".join(line[40:80] for line in shown(pilot).splitlines()[:23])
        words = " ".join(pane.replace("│", " ").split())
        assert f"devstral-small failed ~96.3 {REFUSAL}" in words


async def test_where_nothing_is_down_it_says_so(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("n")
        assert "No model has failed or stopped." in shown(pilot)


async def test_a_gpu_is_evacuated_from_its_pane(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("4", "E")
        assert isinstance(console_app.screen, RebalanceScreen)
        await console_app.workers.wait_for_complete()
        await pilot.press("enter")
        assert session.changes
        here = GpuId("gpu01", 3)
        assert not [model for model in session.drafted().placed if model.place and here in model.place.gpu_ids]


async def test_findings_begin_at_an_error_and_else_at_what_is_under_the_cursor(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 60)) as pilot:
        session.stage(SetArgument("llama-3.3-70b", "gpu-memory-utilization", 0.85))
        session.stage(SetArgument("gemma-3-27b", "gpu-memory-utilization", 0.3))
        await pilot.press("3", "f", "enter")
        assert {finding.model for finding in session.state().findings if finding.severity == "error"} == {"gemma-3-27b"}
        await pilot.press("f", "enter")
        assert not [finding for finding in session.state().findings if finding.severity == "error"]
