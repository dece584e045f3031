"""Steps that the simulated host finishes by itself, over real SSH: connection or console end before they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.inventory.loading import load
from fleet.planning.plan import Action, Step
from fleet.rollout.lock import HostLock, LockedError
from fleet.services.detached import follow, forget, launch, parse_progress
from fleet.services.holder import Holder
from fleet.services.systemd import Systemd
from fleet.simulator.child import Demo
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator

ROOT = Path(__file__).parents[2]
PATIENCE = 60
WHISPER = Systemd("whisper.service", "sudo")
STOP = Step(1, Action.STOP, "kb-whisper-large", "gpu01", WHISPER.name, (), (WHISPER.stop(),))
ANNA = Holder("1a" * 8, "anna@desk", "kb-whisper-large", begun=0.0, steps=4)


DEMO_OPTIONS = {"speed": 10}


@pytest.fixture
async def connection(demo: Demo) -> AsyncIterator[HostConnection]:
    host = load(demo.fleet_file).host("gpu01")
    connection = HostConnection(host.name, host.address, demo.directory / "ssh_config")
    yield connection
    await connection.close()


def lock(connection: HostConnection, holder: Holder) -> HostLock:
    return HostLock("gpu01", Operator(connection), "sudo", holder)


async def test_a_step_goes_on_when_its_connection_is_cut_and_keeps_the_lock(connection: HostConnection) -> None:
    operator, held = Operator(connection), lock(connection, ANNA)
    await held.acquire()
    await held.renew(STOP)
    assert (await operator.write(launch("step-1", STOP.commands, held.holder, "sudo"))).ok
    line = await connection.opened()
    line.abort()
    await line.wait_closed()
    with pytest.raises(LockedError, match=r"in the middle of step 1 of 4 \(stop kb-whisper-large\)"):
        await lock(connection, Holder("2b" * 8, "bob@desk", "b", 0.0)).acquire(take_over="anna@desk")
    progress = parse_progress(await operator.read(follow("step-1", PATIENCE), PATIENCE + 5.0))
    assert progress is not None and progress.is_done
    assert (await operator.read(WHISPER.manager.states([WHISPER]))).stdout.count("ActiveState=inactive") == 1
    await operator.write(forget(["step-1"]))
    await operator.write(WHISPER.start())
    await held.release()


def gpudeck(demo: Demo, state: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "console.cli", *words, "--fleet", str(demo.fleet_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
    )


@pytest.mark.parametrize("step", ["1 stop", "2 start"])
def test_a_killed_console_is_gone_on_from(demo: Demo, tmp_path: Path, step: str) -> None:
    with gpudeck(demo, tmp_path, "restart", "kb-whisper-large", "--yes") as process:
        assert process.stderr
        assert any(step in line and "~" not in line for line in process.stderr)
        process.kill()
    with gpudeck(demo, tmp_path, "apply", "--resume") as process:
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    with gpudeck(demo, tmp_path, "status", "--json") as process:
        printed, _ = process.communicate(timeout=PATIENCE)
    states = {model["name"]: model["state"] for model in json.loads(printed)["models"]}
    assert states["kb-whisper-large"] == "serving"
    assert not list(demo.directory.glob("hosts/gpu01/home/.gpudeck*/*"))
    assert not list(demo.directory.glob("hosts/gpu01/home/.gpudeck*"))
