"""What engines do is on the deck where there is room, and all of it on the zoomed GPU."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from recorded_demo import RecordedSession, recorded_snapshot
from svg_text import svg_text

from console.app import GpudeckApp
from fleet.readings import EngineWord, Link


@pytest.fixture
def busy(session: RecordedSession) -> RecordedSession:
    """The recorded moment, with a chat model that was looked at twice."""
    snapshot = recorded_snapshot()
    chat = replace(
        snapshot.engines["llama-3.1-8b"],
        word=EngineWord.READY,
        tokens_per_second=1147.0,
        prompt_tokens_per_second=None,
        requests_per_second=0.7,
        ttft_p50_seconds=0.8,
        ttft_p95_seconds=2.2,
        cache_blocks=40_346,
        cache_block_size=16,
    )
    engines = MappingProxyType({**snapshot.engines, "llama-3.1-8b": chat})
    session.board.publish(replace(snapshot, engines=engines))
    return session


async def test_the_deck_says_what_a_model_generates(console_app: GpudeckApp, busy: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert "1,147 tok/s  TTFT p95 2.2 s" in svg_text(pilot.app.export_screenshot())


async def test_the_zoomed_gpu_says_all_an_endpoint_says(console_app: GpudeckApp, busy: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 80)) as pilot:
        await pilot.press("z")
        await pilot.pause()
        shown = svg_text(pilot.app.export_screenshot())
    assert "1,147 tokens/s, 0.7 requests/s" in shown
    assert "first token 0.80 s and 2.2 s" in shown
    assert "40,346 blocks of 16 tokens" in shown


@pytest.mark.parametrize(("link", "told"), [(Link.LIVE, True), (Link.LOST, False)])
async def test_requests_that_waited_on_a_host_that_is_lost_are_not_counted_as_waiting(
    console_app: GpudeckApp, session: RecordedSession, link: Link, told: bool
) -> None:
    snapshot = recorded_snapshot(link)
    crowded = replace(snapshot.engines["llama-3.1-8b"], waiting=40)
    session.board.publish(replace(snapshot, engines=MappingProxyType({**snapshot.engines, "llama-3.1-8b": crowded})))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        assert ("waiting 40" in svg_text(pilot.app.export_screenshot()).splitlines()[0]) == told
