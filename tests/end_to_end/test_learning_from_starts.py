"""A console beside the simulated host: it reads how models started, reckons with it, and sees what is otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from console.changing.planning import plan_changes
from console.history.recording import path_of
from console.operating import Operating
from console.session import Session
from fleet.commands import Write
from fleet.estimate import Origin
from fleet.history.values import Start
from fleet.history.writer import record
from fleet.inventory.changes import Restart, SetArgument
from fleet.inventory.loading import load
from fleet.model import GpuId
from fleet.simulator.child import Demo
from fleet.state import FleetState

PATIENCE = 60
UNIT = "vllm-gemma-3-27b.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
BY_HAND = """\
[Service]
ExecStart=
ExecStart=/opt/vllm/bin/vllm serve google/gemma-3-27b-it --dtype bfloat16 --gpu-memory-utilization 0.55 \\
    --max-model-len 32768 --port 8011
"""


DEMO_OPTIONS = {"speed": 100}


@pytest.fixture
async def session(demo: Demo, tmp_path: Path) -> AsyncIterator[Session]:
    session = Session(load(demo.fleet_file), operating=Operating(), state_folder=tmp_path, interval=0.2)
    async with session.watching():
        await session.first_readings()
        yield session


async def shown(session: Session, condition: Callable[[FleetState], bool]) -> FleetState:
    """The first state that is so."""
    await session.board.until("gpu01", lambda _: condition(session.state()), PATIENCE)
    return session.state()


def basis(state: FleetState, name: str) -> str:
    estimate = state.model(name).estimate
    return estimate.basis if estimate else ""


async def test_models_that_started_alone_are_known_by_their_own_lines(session: Session) -> None:
    names = ("llama-3.1-8b", "deepcoder-14b", "devstral-small", "llama-3.3-70b", "mai-ds-r1", "gemma-3-27b")
    state = await shown(session, lambda seen: all(basis(seen, name) == "calibrated" for name in names))
    for name in names:
        model = state.model(name)
        assert model.estimate is not None and model.model.place is not None
        for gpu, share in zip(model.model.place.gpu_ids, model.estimate.shares, strict=True):
            assert share.origins.weights is Origin.MEASURED
            assert share.low_bytes - share.activations_bytes <= model.used_by_gpu[gpu] <= share.high_bytes
            assert share.high_bytes - share.low_bytes < 1 << 30
    assert not [finding for finding in state.findings if finding.code in ("LIVE001", "LIVE003")]


async def test_a_draft_reckons_with_what_was_measured(session: Session) -> None:
    await shown(session, lambda seen: basis(seen, "llama-3.1-8b") == "calibrated")
    session.stage(SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.4))
    after = session.after()
    assert after is not None
    share = after.outlooks[GpuId("gpu01", 0)].shares[0][1]
    assert (share.origins.weights, share.origins.kv_cache) == (Origin.MEASURED, Origin.CALIBRATED)


async def test_a_plan_takes_as_long_as_the_starts_it_knows_of(session: Session) -> None:
    await shown(session, lambda seen: basis(seen, "llama-3.1-8b") == "calibrated")
    plan = await plan_changes(session, [Restart("llama-3.1-8b")])
    (wait,) = (step for step in plan.steps if step.action == "wait")
    assert wait.basis == "1 start on gpu01"
    slow = Start(0, "long ago", "llama-3.1-8b", "gpu01/0", "", "", {}, {}, "started", seconds=wait.seconds + 100)
    record(path_of(session), slow)
    plan = await plan_changes(session, [Restart("llama-3.1-8b")])
    (after,) = (step for step in plan.steps if step.action == "wait")
    assert after.basis == "2 starts on gpu01"
    assert after.seconds == pytest.approx(wait.seconds + 50)
    assert not [finding for finding in plan.findings if finding.code.startswith("PRE")]


async def test_a_model_restarted_by_hand_with_other_arguments_is_seen_as_a_diff(session: Session) -> None:
    operator = session.operator("gpu01")
    for words, stdin in (
        (("mkdir", "-p", DROP_IN), b""),
        (("tee", f"{DROP_IN}/10-by-hand.conf"), BY_HAND.encode()),
        (("systemctl", "daemon-reload"), b""),
        (("systemctl", "restart", UNIT), b""),
    ):
        assert (await operator.write(Write(words, stdin).as_root("sudo"))).ok
    state = await shown(session, lambda seen: any(finding.code == "LIVE003" for finding in seen.findings))
    (drift,) = (finding for finding in state.findings if finding.code == "LIVE003")
    assert drift.message == (
        "gemma-3-27b runs otherwise than the fleet file says: gpu-memory-utilization 0.55 (file: 0.6)."
    )
    assert "LIVE001" not in {finding.code for finding in state.findings}
