"""The autopilot on the simulated host over real SSH: what it proposes, what it does, and what it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import is_not
from pathlib import Path
from typing import Any

import pytest

from console.autopilot.looking import Lookout
from console.autopilot.pilot import DeclinedError, FailedError, Pilot
from console.autopilot.records import Records
from console.changing.carrying_out import open_journal
from console.changing.planning import plan_changes
from console.operating import Operating
from console.session import Session
from fleet.autopilot.limits import Ended
from fleet.autopilot.proposing import Act
from fleet.inventory.changes import Disable
from fleet.inventory.loading import load
from fleet.planning.plan import Plan
from fleet.rollout.events import Event, Kind
from fleet.rollout.lock import HostLock
from fleet.services.holder import Holder
from fleet.simulator.child import Demo
from fleet.state import ModelWord

ROOT = Path(__file__).parents[2]
PATIENCE = 60
AUTOPILOT = """\
autopilot:
  rotation:
    qwen3-32b: {hours: {open: [mon-sun]}}
"""
ARGUMENTS = "      max-model-len: 8192\n"


DEMO_OPTIONS = {"speed": 200}


@dataclass(frozen=True)
class Fleet:
    """A fleet file of ours over the simulated host, and a state folder."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.path.parent / "state")}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "console.cli", words[0], str(self.path), *words[1:]]

    def run(self, *words: str) -> str:
        """What a command prints; it must end well."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=self.environment,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def autopilot(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """One that flies until it is told to end."""
        command = self.command("autopilot", "--json", "--interval", "1s", *words)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment, cwd=ROOT
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def unload(self) -> None:
        """Leave the host as it was."""
        self.run("apply", "--disable", "qwen3-32b", "--yes", "--allow-downtime", "qwen3-32b")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        session = Session(
            load(self.path), operating=Operating(), state_folder=self.path.parent / "state" / "gpudeck", interval=0.2
        )
        async with session.watching():
            await session.first_readings()
            yield session

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text(encoding="utf-8")
        assert old in text
        self.path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def fleet(demo: Demo, tmp_path: Path) -> Fleet:
    path = tmp_path / "fleet.yaml"
    text = demo.fleet_file.read_text(encoding="utf-8").replace("./ssh_config", str(demo.directory / "ssh_config"))
    text = text.replace(ARGUMENTS, f"{ARGUMENTS}      gpu-memory-utilization: 0.35\n")
    text = text.replace("  qwen3-32b:\n", "  qwen3-32b:\n    drain-timeout: 1 s\n")
    path.write_text(text.replace("models:\n", f"{AUTOPILOT}models:\n", 1), encoding="utf-8")
    return Fleet(path)


def told(process: subprocess.Popen[str], event: str) -> Any:
    """The next line that tells of such an event."""
    assert process.stdout
    for line in process.stdout:
        said = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"it ended without {event}: {process.stderr.read() if process.stderr else ''}")


def silent(event: Event) -> None:
    pass


def test_without_act_it_proposes_and_has_nothing_that_could_change_a_host(fleet: Fleet) -> None:
    before = fleet.path.read_bytes()
    script = (
        "import sys; from console.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or sorted({'fleet.rollout', 'fleet.ssh.operator'} & set(sys.modules)) or 0)"
    )
    words = [sys.executable, "-c", script, *fleet.command("autopilot", "--once", "--json")[3:]]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE, env=fleet.environment, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (said,) = map(json.loads, done.stdout.splitlines())
    assert (said["event"], said["subject"]) == ("proposed", "qwen3-32b")
    assert said["changes"] == [
        {"change": "move", "model": "qwen3-32b", "place": "gpu01/3"},
        {"change": "enable", "model": "qwen3-32b"},
    ]
    assert fleet.path.read_bytes() == before
    assert not (fleet.path.parent / "state").exists()


def test_it_loads_a_model_and_says_why_everywhere_and_follows_the_fleet_file(demo: Demo, fleet: Fleet) -> None:
    with fleet.autopilot("--act") as process:
        reason = told(process, "acting")["sentence"]
        assert reason.startswith("Load qwen3-32b on gpu01/3: its hours go on until ")
        assert told(process, "done")["subject"] == "qwen3-32b"
        model = load(fleet.path).model("qwen3-32b")
        assert model.enabled and str(model.place) == "gpu01/3"
        fleet.edit("{open: [mon-sun]}", "{open: [never]}")
        assert "Nothing is done until that is mended." in told(process, "waiting")["sentence"]
        fleet.edit("qwen3-32b: {hours: {open: [never]}}", "qwen3-235b: {hours: {open: [mon-sun]}}")
        told(process, "fleet")
        assert told(process, "declined")["sentence"].startswith("qwen3-235b would be loaded, and fits nowhere")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "autopilot of " in fleet.run("audit") and reason in fleet.run("audit")
    assert json.loads(fleet.run("audit", "--json"))["rollouts"][0]["reason"] == reason
    assert reason in fleet.run("audit", "--host", "gpu01")
    (act,) = json.loads(fleet.run("autopilot", "--done", "--json"))["acts"]
    assert (act["models"], act["ended"], act["sentence"]) == (["qwen3-32b"], "done", reason)
    fleet.unload()


def test_while_it_is_halted_it_says_so_once_and_does_nothing(fleet: Fleet) -> None:
    assert "Halted" in fleet.run("autopilot", "--halt", "audit")
    with fleet.autopilot("--act") as process:
        assert process.stdout
        lines = map(json.loads, process.stdout)
        assert next(lines)["event"] == "proposed"
        halted = next(lines)
        assert halted["event"] == "waiting" and "audit" in halted["sentence"]
        assert fleet.run("autopilot", "--go") == "It may act again.\n"
        assert fleet.run("autopilot", "--go") == "It was not halted.\n"
        assert [next(lines)["event"], next(lines)["event"]] == ["acting", "done"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors
    fleet.unload()


def test_the_console_without_a_screen_tells_what_would_be_done(fleet: Fleet) -> None:
    command = [sys.executable, "-m", "console.cli", str(fleet.path), "--plain"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=fleet.environment, cwd=ROOT
    ) as process:
        assert process.stdin and process.stdout
        said = next((line for line in process.stdout if "AUT001" in line), "it never said so")
        process.stdin.write("quit\n")
        process.stdin.close()
    assert said.startswith("Now, info AUT001, qwen3-32b: Load qwen3-32b on gpu01/3: its hours go on until ")
    assert said.endswith(" Fix: move qwen3-32b to gpu01/3, enable qwen3-32b.\n")


async def proposed(session: Session, records: Records) -> Act:
    """What is to be done, once everything was read that this follows from."""
    lookout = Lookout(session, records)
    async with asyncio.timeout(PATIENCE):
        while (act := (await lookout.look()).act) is None:
            await session.board.until("gpu01", partial(is_not, session.board.latest("gpu01")), PATIENCE)
    return act


async def test_what_another_is_changing_is_left_and_is_no_failure(fleet: Fleet) -> None:
    records = Records(fleet.path.parent / "records")
    async with fleet.session() as session:
        anna = HostLock("gpu01", session.operator("gpu01"), "sudo", Holder("1a" * 8, "anna@desk", "x", 0.0))
        await anna.acquire()
        with pytest.raises(DeclinedError, match="is being changed by anna@desk"):
            await Pilot(session, records).act(await proposed(session, records), silent)
        await anna.release()
        assert [attempt.ended for attempt in records.acts().tried] == [Ended.DECLINED]
        assert records.acts().in_last_hour(records.acts().tried[0].at) == 0
        assert (await Lookout(session, records).look()).act is None, "it rests"
    assert "not begun: Nothing was done: gpu01 is being changed by anna@desk" in fleet.run("audit", "--host", "gpu01")


async def test_a_start_that_fails_is_taken_back_whole_and_rests(demo: Demo, fleet: Fleet) -> None:
    (unit,) = demo.directory.glob("**/vllm-qwen3-32b.service")
    written = unit.read_text(encoding="utf-8")
    unit.write_text(written.replace("8012", "8012 --kv-cache-dtype fp9"), encoding="utf-8")
    records, before = Records(fleet.path.parent / "records"), fleet.path.read_bytes()
    try:
        async with fleet.session() as session:
            act = await proposed(session, records)
            act = Act(act.subject, (Disable("docling"), *act.changes), act.sentence)
            with pytest.raises(FailedError, match=r"Rolled back: .*Everything is back as it was before"):
                await Pilot(session, records).act(act, silent)
            assert session.state().model("docling").word is ModelWord.SERVING
            (attempt,) = records.acts().tried
            assert (attempt.ended, attempt.models) == (Ended.FAILED, ("docling", "qwen3-32b"))
            assert "Everything is back" in attempt.because
            assert (await Lookout(session, records).look()).act is None
            assert Pilot(session, records).hindrance == ""
    finally:
        unit.write_text(written, encoding="utf-8")
    assert fleet.path.read_bytes() == before


async def test_an_act_that_was_cut_off_hinders_every_other_until_somebody_ends_it(fleet: Fleet) -> None:
    records = Records(fleet.path.parent / "records")
    async with fleet.session() as session:
        pilot = Pilot(session, records)
        cut = asyncio.Event()

        def cut_off(event: Event) -> None:
            if event.kind is Kind.STARTED:
                cut.set()

        acting = asyncio.create_task(pilot.act(await proposed(session, records), cut_off))
        await cut.wait()
        acting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acting
        assert [attempt.ended for attempt in records.acts().tried] == [Ended.INTERRUPTED]
        assert "`gpudeck apply --resume` carries it on" in pilot.hindrance
    fleet.run("apply", "--rollback")
    async with fleet.session() as session:
        assert Pilot(session, records).hindrance == ""


async def test_outside_the_maintenance_windows_it_waits(fleet: Fleet) -> None:
    from datetime import UTC, datetime, timedelta

    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%a").lower()
    fleet.edit("models:\n", f"policy:\n  windows: {{open: [{yesterday} 01:00-02:00], zone: UTC}}\nmodels:\n")
    records = Records(fleet.path.parent / "records")
    async with fleet.session() as session:
        proposal = await Lookout(session, records).look()
    assert proposal.act is None
    assert proposal.declined["qwen3-32b"].startswith("No maintenance window is open before ")


async def test_a_plan_that_a_window_does_not_hold_is_left(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from fleet.planning.window import outside
    from fleet.windows import Window, Windows

    never = Windows((Window.parse("mon-sun 00:00-00:01"),))

    async def late(session: Session, changes: Any) -> Plan:
        plan = await plan_changes(session, changes)
        finding = outside(never, 1_795_262_400.0, plan.seconds)
        assert finding
        return replace(plan, findings=(finding, *plan.findings))

    monkeypatch.setattr("console.autopilot.pilot.plan_changes", late)
    records = Records(fleet.path.parent / "records")
    async with fleet.session() as session:
        with pytest.raises(DeclinedError, match="No maintenance window is open"):
            await Pilot(session, records).act(await proposed(session, records), silent)
        journal = open_journal(session)
        assert journal.rollouts(1) == ()
        journal.close()
