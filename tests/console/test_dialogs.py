"""Findings, logs, help, plan: what the operator types and what comes of it."""

from __future__ import annotations

from piloting import shown
from recorded_demo import RecordedSession

from console.app import GpudeckApp
from console.keys import Where, keys
from fleet.inventory.changes import Move, SetArgument
from fleet.model import Place


async def test_a_fix_is_staged_from_the_findings(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.stage(SetArgument("llama-3.3-70b", "gpu-memory-utilization", 0.85))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("f")
        text = shown(pilot)
        assert "The model's max seq len (131072) is larger" in text
        rows = [line for line in text.splitlines() if "fix:" in line]
        target = next(n for n, line in enumerate(rows) if "utilization 0.9" in line)
        await pilot.press(*["down"] * target, "enter")
        assert session.after() is not None
        assert not [finding for finding in session.state().findings if finding.code == "KV001"]


async def test_the_log_of_a_model_is_shown_harmless(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("l")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        text = shown(pilot)
        assert "Application startup complete." in text
        assert "systemd:vllm-llama-3.1-8b.service on gpu01" in text


async def test_help_tells_every_key(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 60)) as pilot:
        await pilot.press("question_mark")
        text = shown(pilot)
        assert all(key.help in text for key in keys(Where.DECK))


async def test_a_plan_names_the_loss_first_and_every_command(console_app: GpudeckApp, session: RecordedSession) -> None:
    session.stage(Move("kb-whisper-large", Place("gpu01", (7,))))
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("p")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        lines = shown(pilot).splitlines()
        assert "kb-whisper-large will not answer for about" in lines[0]
        text = "\n".join(lines)
        assert "sudo -n -- systemctl stop whisper.service" in text
        assert "Environment=ROCR_VISIBLE_DEVICES=GPU-" in text
        assert text.index("systemctl stop") < text.index("systemctl start")


async def test_an_empty_draft_has_no_plan(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.press("p")
        assert "The draft is empty" in shown(pilot)
