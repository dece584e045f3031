"""A host's power cap in the console: the last day's readings beat the estimate, until a draft moves the models."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from recorded_demo import READ_AT, RecordedSession, recorded_snapshot

from console.history.power import recorded_watts
from console.history.recording import Recorder, path_of
from fleet.findings import Tense
from fleet.history.writer import Writer
from fleet.inventory.changes import Move
from fleet.live.load import Peaks
from fleet.model import GpuId, Place


@pytest.fixture
def capped(session: RecordedSession) -> RecordedSession:
    hosts = tuple(replace(host, power_cap_watts=3000.0) for host in session.inventory.hosts)
    session.inventory = replace(session.inventory, hosts=hosts)
    return session


def said(session: RecordedSession) -> dict[Tense, str]:
    return {finding.tense: finding.message for finding in session.state().findings if finding.code == "POL004"}


def test_without_readings_of_the_last_day_the_estimate_counts(capped: RecordedSession) -> None:
    assert "estimated" in said(capped)[Tense.NOW]


def test_what_was_measured_beats_the_estimate(capped: RecordedSession) -> None:
    assert said(capped)
    capped.peaks = Peaks(watts=dict.fromkeys(capped.inventory.gpu_ids, 300.0))
    assert not said(capped)
    capped.peaks = Peaks(watts=dict.fromkeys(capped.inventory.gpu_ids, 500.0))
    assert "4.0 kW under load, measured" in said(capped)[Tense.NOW]


def test_on_the_command_line_what_the_console_recorded_counts_too(capped: RecordedSession) -> None:
    assert recorded_watts(capped.inventory, capped.state_folder) == {}
    an_hour_ago = time.time() - 3600
    writer = Writer(path_of(capped), clock=lambda: an_hour_ago)
    recorder = Recorder(capped, writer, clock=lambda: an_hour_ago)
    snapshot = recorded_snapshot()
    capped.board.publish(replace(snapshot, read_at=READ_AT + 60))
    recorder.close()
    writer.flush()
    writer.close()
    assert snapshot.reading
    seen = {GpuId("gpu01", gpu.identity.hip_index): gpu.power_w for gpu in snapshot.reading.gpus}
    watts = recorded_watts(capped.inventory, capped.state_folder)
    assert watts == pytest.approx(seen)
    uncapped = replace(capped.inventory, hosts=tuple(replace(h, power_cap_watts=None) for h in capped.inventory.hosts))
    assert recorded_watts(uncapped, capped.state_folder) == {}


def test_of_gpus_that_a_draft_changes_the_estimate_counts_again(capped: RecordedSession) -> None:
    capped.peaks = Peaks(watts=dict.fromkeys(capped.inventory.gpu_ids, 370.0))
    assert not said(capped)
    capped.stage(Move("devstral-small", Place("gpu01", (3,))))
    assert "estimated" in said(capped)[Tense.DRAFT]
