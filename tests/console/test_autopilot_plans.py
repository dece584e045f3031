"""Plans an operator would look at twice: the autopilot leaves them, and touches no host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_demo import RecordedSession

from console.autopilot.pilot import DeclinedError, Pilot
from console.autopilot.records import Records
from fleet.autopilot.limits import Ended
from fleet.autopilot.proposing import Act
from fleet.findings import Finding, Severity, Tense
from fleet.inventory.changes import Disable, Enable, Move
from fleet.model import GpuId, Place
from fleet.planning.plan import Action, Plan, Step

GPU = GpuId("gpu01", 3)
LOAD = Act("chat", (Move("qwen3-32b", Place("gpu01", (3,))), Enable("qwen3-32b")), "Load qwen3-32b: it was wanted.")
START = Step(1, Action.START, "qwen3-32b", "gpu01", "systemd:vllm-qwen3-32b.service", (GPU,))
PLAN = Plan("berget-sthlm", "", LOAD.changes, (), (START,), ())


def finding(code: str, **about: Any) -> Finding:
    return Finding(code, Severity.ERROR, Tense.DRAFT, f"{code} is so.", **about)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (replace(PLAN, steps=(replace(START, model="docling"), START)), "docling would have to be restarted for it"),
        (replace(PLAN, steps=(replace(START, needs_bytes=2, free_bytes=1),)), "qwen3-32b may not serve after this"),
        (replace(PLAN, findings=(finding("MEM001", model="qwen3-32b"),)), "qwen3-32b may not serve after this"),
        (replace(PLAN, findings=(finding("MEM002", gpu=GPU),)), "MEM002 is so"),
        (replace(PLAN, findings=(finding("PRE003", host="gpu01"),)), "PRE003 is so"),
        (replace(PLAN, stays_stopped=("docling",)), "docling will stay stopped"),
    ],
)
async def test_it_is_left_with_the_reason_and_remembered_as_declined(
    session: RecordedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan, why: str
) -> None:
    assert await _declined(session, tmp_path, monkeypatch, plan, LOAD) == why
    (attempt,) = Records(tmp_path / "records").acts().tried
    assert (attempt.ended, attempt.because) == (Ended.DECLINED, f"{why}.")


async def test_what_is_wrong_elsewhere_does_not_keep_it_from_an_act_nor_anything_from_unloading(
    session: RecordedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = replace(PLAN, findings=(finding("MEM002", gpu=GpuId("gpu01", 1)), finding("KV001", model="x")))
    assert await _declined(session, tmp_path, monkeypatch, elsewhere, LOAD) == "the host was reached"
    stop = replace(START, action=Action.STOP, model="docling")
    stops = replace(PLAN, steps=(stop,), stays_stopped=("docling",), findings=(finding("MEM002", gpu=GPU),))
    unload = Act("docling", (Disable("docling"),), "Unload docling: it had no request.")
    assert await _declined(session, tmp_path, monkeypatch, stops, unload) == "the host was reached"


async def _declined(
    session: RecordedSession, folder: Path, monkeypatch: pytest.MonkeyPatch, plan: Plan, act: Act
) -> str:
    """Why that plan of the act is left; no host is reached that would not say so."""

    async def planned(*_: object) -> Plan:
        return plan

    async def reached(*_: object) -> None:
        raise DeclinedError("the host was reached.")

    monkeypatch.setattr("console.autopilot.pilot.plan_changes", planned)
    monkeypatch.setattr(Pilot, "_note", reached)
    with pytest.raises(DeclinedError) as error:
        await Pilot(session, Records(folder / "records")).act(act, lambda event: None)
    return error.value.message.rstrip(".")
