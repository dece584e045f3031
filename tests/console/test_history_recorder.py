"""What a session reads is recorded: readings once a frame, events at every change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from piloting import shown, until
from recorded_demo import READ_AT, RecordedSession, recorded_snapshot

from console.app import GpudeckApp
from console.history.recording import FINDINGS_SECONDS, LiveRecording, Recorder, path_of, record_rollout
from fleet.calibration.reading import read_starts
from fleet.history.reading import History, history
from fleet.history.values import EventKind, Kind, Subject
from fleet.history.writer import Writer
from fleet.inventory.changes import Move, apply
from fleet.model import Place
from fleet.readings import EngineReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.startup import Ending, ModelStart, Startup
from fleet.units import GiB

NOON = 1_800_000_000
LOGS = Path(__file__).parents[1] / "fleet" / "calibration" / "logs"


class Recorded:
    """A session whose snapshots are recorded, with a clock that moves a second at each."""

    def __init__(self, session: RecordedSession) -> None:
        self.session = session
        self.now = NOON - 1
        self._writer = Writer(path_of(session), clock=lambda: self.now)
        self.recorder = Recorder(session, self._writer, clock=lambda: self.now)

    def publish(self, snapshot: HostSnapshot, seconds: int = 1) -> None:
        self.now += seconds
        self.session.board.publish(replace(snapshot, read_at=READ_AT + self.now - NOON))

    @contextmanager
    def read_back(self) -> Iterator[History]:
        self._writer.flush()
        assert not self._writer.trouble
        with history(path_of(self.session)) as found:
            yield found

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
def recorded(session: RecordedSession) -> Iterator[Recorded]:
    found = Recorded(session)
    yield found
    found.close()


def told(history: History, kind: EventKind) -> list[tuple[int, str, str | None]]:
    return [(e.at - NOON, e.subject, e.value) for e in history.events(0, NOON + 1000) if e.kind is kind]


def test_readings_are_recorded_as_they_are_shown(recorded: Recorded, session: RecordedSession) -> None:
    recorded.publish(recorded_snapshot())
    state = session.state()
    with recorded.read_back() as found:
        assert len(found.subjects(Kind.GPU)) == 8
        moment = found.at(NOON)
        for gpu in state.gpus:
            values = moment.values[Subject(Kind.GPU, str(gpu.gpu))]
            assert values["used_bytes"] == gpu.used_bytes
        for model in state.models:
            if model.used_bytes:
                assert moment.values[Subject(Kind.MODEL, model.name)]["used_bytes"] == model.used_bytes
            assert moment.facts[EventKind.STATE, model.name] == model.word
        assert moment.facts[EventKind.LINK, "gpu01"] == "live"
        codes = {subject.split()[0] for kind, subject in moment.facts if kind is EventKind.FINDING}
        assert codes == {finding.code for finding in state.findings}


def test_a_frame_is_recorded_once_however_often_it_is_published(recorded: Recorded) -> None:
    snapshot = recorded_snapshot()
    recorded.publish(snapshot)
    for _ in range(3):
        recorded.now += 1
        recorded.session.board.publish(replace(snapshot, read_at=READ_AT))
    with recorded.read_back() as found:
        series = found.series(Subject(Kind.GPU, "gpu01/0"), "used_bytes", NOON, NOON + 5, 5)
        assert [bucket is not None for bucket in series] == [True, False, False, False, False]


def test_old_readings_of_a_lost_host_are_not_recorded_but_its_loss_is(recorded: Recorded) -> None:
    recorded.publish(recorded_snapshot())
    recorded.publish(recorded_snapshot(Link.STALE, "gpu01 is slow to answer."))
    recorded.publish(recorded_snapshot(Link.LOST, "gpu01 has given no reading for 10 s."))
    recorded.publish(recorded_snapshot())
    with recorded.read_back() as found:
        assert told(found, EventKind.LINK) == [
            (0, "gpu01", "live"),
            (1, "gpu01", "stale"),
            (2, "gpu01", "lost"),
            (3, "gpu01", "live"),
        ]
        series = found.series(Subject(Kind.GPU, "gpu01/0"), "used_bytes", NOON, NOON + 4, 4)
        assert [bucket is not None for bucket in series] == [True, False, False, True]


def test_a_failed_model_a_reboot_and_a_move_are_events(recorded: Recorded, session: RecordedSession) -> None:
    snapshot = recorded_snapshot()
    recorded.publish(snapshot)
    failed = {**snapshot.services, "devstral-small": ServiceReading(ServiceWord.FAILED)}
    assert snapshot.reading is not None
    recorded.publish(
        replace(
            snapshot,
            services=MappingProxyType(failed),
            reading=replace(snapshot.reading, boot_id="another\x1b[31m boot"),
        )
    )
    session.adopt(apply(session.inventory, [Move("kb-whisper-large", Place("gpu01", (7,)))]))
    recorded.publish(snapshot, FINDINGS_SECONDS)
    with recorded.read_back() as found:
        assert (1, "devstral-small", "failed") in told(found, EventKind.STATE)
        assert (1 + FINDINGS_SECONDS, "devstral-small", "serving") in told(found, EventKind.STATE)
        assert (1, "gpu01", "another boot") in told(found, EventKind.BOOT)
        assert (1 + FINDINGS_SECONDS, "kb-whisper-large", "gpu01/7") in told(found, EventKind.PLACE)


def test_a_model_has_no_state_before_its_endpoint_was_asked_nor_while_its_host_is_lost(recorded: Recorded) -> None:
    snapshot = recorded_snapshot()
    nothing: MappingProxyType[str, EngineReading] = MappingProxyType({})
    recorded.publish(replace(snapshot, engines=nothing))
    recorded.publish(snapshot)
    recorded.publish(recorded_snapshot(Link.LOST, "gpu01 has given no reading for 10 s."))
    recorded.publish(snapshot)
    with recorded.read_back() as found:
        states = [(at, value) for at, model, value in told(found, EventKind.STATE) if model == "llama-3.1-8b"]
        assert states == [(1, "serving")]


def test_what_cannot_be_recorded_does_not_reach_the_reader_of_hosts(session: RecordedSession, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = Writer(tmp_path / "file" / "fleet.history", clock=lambda: NOON)
    recorder = Recorder(session, writer, clock=lambda: NOON)
    session.board.publish(recorded_snapshot())
    writer.flush()
    recorder.close()
    assert "cannot be written" in writer.trouble


def test_a_rollout_is_in_the_history_of_each_of_its_models(session: RecordedSession) -> None:
    record_rollout(session, ["llama-3.1-8b", "devstral-small", "llama-3.1-8b"], "restored", "It was refused.").join()
    with history(path_of(session)) as found:
        told = [(event.subject, event.value) for event in found.events(0, 1 << 40)]
    assert told == [("llama-3.1-8b", "restored: It was refused."), ("devstral-small", "restored: It was refused.")]


def read_start(session: RecordedSession) -> ModelStart:
    """The start of llama-3.1-8b that a real log of vLLM 0.9.2 tells of, a minute after the host was booted."""
    (startup,) = read_starts("vllm", (LOGS / "vllm-0.9.2.dev364-rocm.log").read_text(encoding="utf-8"))
    model = session.inventory.model("llama-3.1-8b")
    return ModelStart(replace(startup, began=60.0), model.args, model.source or "", "MI300X", invocation="run 1")


def test_a_start_is_recorded_as_reckoned_and_as_its_engine_measured_it(
    recorded: Recorded, session: RecordedSession
) -> None:
    snapshot, start = recorded_snapshot(), read_start(session)
    assert snapshot.reading is not None
    recorded.publish(snapshot)
    recorded.publish(replace(snapshot, starts=MappingProxyType({"llama-3.1-8b": start})))
    with recorded.read_back() as found:
        (kept,) = found.starts("llama-3.1-8b")
    assert (kept.run, kept.gpu, kept.outcome) == ("run 1", "gpu01/0", "started")
    assert kept.at == round(NOON + 1 - snapshot.reading.uptime_seconds + 60)
    assert kept.measured["weights"] == round(15.3047 * GiB)
    assert abs(kept.predicted["weights"] - kept.measured["weights"]) < GiB
    assert kept.alone


def test_a_start_of_which_more_is_known_later_is_still_one_start(recorded: Recorded, session: RecordedSession) -> None:
    snapshot, start = recorded_snapshot(), read_start(session)
    recorded.publish(replace(snapshot, starts=MappingProxyType({"llama-3.1-8b": start})))
    disturbed = replace(start, company="kb-whisper-large was starting there")
    recorded.publish(replace(snapshot, starts=MappingProxyType({"llama-3.1-8b": disturbed})))
    refused = replace(start, invocation="run 2", startup=replace(start.startup, ending=Ending.REFUSED, sentence="No."))
    recorded.publish(replace(snapshot, failures=MappingProxyType({"llama-3.1-8b": refused})))
    with recorded.read_back() as found:
        told = [(kept.run, kept.outcome, kept.alone, kept.sentence) for kept in found.starts()]
    assert sorted(told) == [("run 1", "started", False, ""), ("run 2", "refused", True, "No.")]


@pytest.mark.parametrize(
    "unlike", [{"source": "somebody/another-model"}, {"startup": Startup("vllm", Ending.UNFINISHED)}]
)
def test_a_start_that_tells_nothing_of_the_model_is_not_recorded(
    recorded: Recorded, session: RecordedSession, unlike: dict[str, Any]
) -> None:
    start = replace(read_start(session), **unlike)
    recorded.publish(replace(recorded_snapshot(), starts=MappingProxyType({"llama-3.1-8b": start})))
    with recorded.read_back() as found:
        assert found.starts() == ()


class WatchedSession(RecordedSession):
    """Its host is read once, and then nothing more comes."""

    async def watch(self, ready: Awaitable[object] | None = None) -> None:
        self.board.publish(replace(recorded_snapshot(), read_at=READ_AT + 1))
        await asyncio.Event().wait()


async def test_an_open_console_records(session: RecordedSession) -> None:
    watched = WatchedSession(session.inventory, session.state_folder or Path())
    app = GpudeckApp(watched, time_of_day=lambda: "14:02", environment={})
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
    assert app._recording is not None
    app._recording.close()
    with history(path_of(watched)) as found:
        assert len(found.subjects(Kind.GPU)) == 8


async def test_while_nothing_can_be_recorded_the_console_says_why_and_goes_on(
    console_app: GpudeckApp, session: RecordedSession, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    session.state_folder = tmp_path / "file" / "state"
    recording = LiveRecording(session)
    session.board.publish(replace(recorded_snapshot(), read_at=READ_AT + 1))
    recording.close()
    async with console_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        console_app._recording = recording
        console_app._tick()
        assert console_app.message == (recording.words, "warning")
        await until(pilot, lambda: "Readings are not recorded" in shown(pilot), "the console says why")
