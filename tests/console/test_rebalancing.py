"""The rebalancing dialog: looked for, shown with reasons, staged by enter, left by escape."""

from __future__ import annotations

import pytest
from recorded_demo import RecordedSession
from svg_text import svg_text
from textual.pilot import Pilot

from console.app import GpudeckApp
from console.changing.rebalancing import proposal_json, proposal_lines
from fleet.inventory.changes import Move, Serve
from fleet.model import Place
from fleet.planning.rebalance.offers import Offer
from fleet.planning.rebalance.rebalancing import Proposal


async def found(pilot: Pilot[None]) -> str:
    """What is shown once the search has ended."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return svg_text(pilot.app.export_screenshot())


async def test_a_proposal_is_shown_with_its_reasons_and_enter_stages_it(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("b")
        text = await found(pilot)
        assert "1 restart, and no fewer would do." in text
        assert "devstral-small to gpu01/3: gpu01/1 rests at" in text
        assert "checkpoints" not in text
        assert not session.changes
        await pilot.press("enter")
        (change,) = session.changes
        assert isinstance(change, Move)
        assert change.model == "devstral-small"  # the other of the two serves more requests
        await pilot.press("u")
        assert not session.changes


async def test_a_checkpoint_that_is_offered_is_staged_by_a_key_of_its_own(
    console_app: GpudeckApp, session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = Offer("It would fit.", (Serve("gemma-3-27b", "a/small"),), (Move("gemma-3-27b", Place("gpu01", (3,))),))
    proposal = Proposal((), (), {}, ("qwen3-235b",), 0, 0.0, proved=False, offer=offer)

    async def proposed(*_: object, **__: object) -> Proposal:
        return proposal

    monkeypatch.setattr("console.screens.rebalance.propose", proposed)
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("b")
        text = await found(pilot)
        assert "It would fit. Press c to stage that." in text
        assert "c checkpoints" in text
        await pilot.press("enter")
        assert not session.changes
        await pilot.press("c")
        assert set(session.changes) == set(offer.changes)
    assert proposal_lines(proposal)[1] == ("It would fit. To take that: --rebalance --set gemma-3-27b.source=a/small")
    assert proposal_json(proposal)["offered"][0] == {"change": "serve", "model": "gemma-3-27b", "source": "a/small"}


async def test_escape_stages_nothing(console_app: GpudeckApp, session: RecordedSession) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("b", "escape")
        assert not session.changes


async def test_over_a_draft_that_mends_the_fleet_nothing_is_left_to_stage(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("b")
        await found(pilot)
        await pilot.press("enter", "b")
        assert "Nothing needs to move." in await found(pilot)
        await pilot.press("enter")
        assert len(session.changes) == 1


async def test_what_an_operator_moved_stays_where_it_was_moved_to(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        moved = Move("gemma-3-27b", Place("gpu01", (1,)))
        console_app.stage(moved)
        await pilot.press("b")
        await found(pilot)
        await pilot.press("enter")
        assert moved in session.changes
        after = session.after()
        assert after is not None
        assert not [finding for finding in after.findings if finding.severity == "error"]
