"""The detail of a GPU says of every number where it comes from, and shows what runs otherwise than the file says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from recorded_demo import RecordedSession, recorded_snapshot

from console.detail.rows import detail_rows
from fleet.inventory.loading import load_text
from fleet.model import Arguments, GpuId, Scalar
from fleet.simulator.fleets import demo_fleet
from fleet.startup import Ending, ModelStart, RankStart, Size, Startup
from fleet.units import GiB

GPU = GpuId("gpu01", 0)


def size(gib: float) -> Size:
    return Size(round(gib * GiB), 5_000_000)


RANK = RankStart("", size(15.3047), size(1.22), size(0.66), size(0.7), size(78.79))
STARTUP = Startup("vllm", Ending.STARTED, "0.9.0", (RANK,), cache_blocks=40_346, max_concurrency=4.93, said_seconds=31)
START = ModelStart(STARTUP, Arguments({"gpu-memory-utilization": 0.5}), "meta-llama/Llama-3.1-8B-Instruct", "MI300X")


@pytest.fixture
def session(tmp_path: Path) -> RecordedSession:
    return RecordedSession(load_text(demo_fleet(), Path("fleet.yaml")), tmp_path)


def shown(session: RecordedSession, start: ModelStart | None) -> str:
    """The detail of the GPU where the model came up like that."""
    snapshot = recorded_snapshot()
    if start:
        run = replace(start, invocation=snapshot.services["llama-3.1-8b"].invocation)
        snapshot = replace(snapshot, starts={"llama-3.1-8b": run})
    session.board.publish(snapshot)
    rows = detail_rows(session.state().gpu(GPU), snapshot.reading, 160)
    return "\n".join("".join(span.text for span in row) for row in rows)


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(name)).split()


def with_args(**args: Scalar) -> ModelStart:
    return replace(START, args=Arguments({flag.replace("_", "-"): value for flag, value in args.items()}))


def test_without_a_start_every_number_is_modelled(session: RecordedSession) -> None:
    text = shown(session, None)
    assert set(row(text, "llama-3.1-8b")[2:-1:2]) == {"○"}
    assert "numbers: modelled. No start of it was read." in text


def test_what_its_start_printed_is_marked_measured_and_what_follows_from_it_calibrated(
    session: RecordedSession,
) -> None:
    text = shown(session, START)
    assert " ".join(row(text, "llama-3.1-8b")[1:13]) == "15.3 ● 78.8 ● 1.2 ● 0.7 ● 1.0 ◐ 97.0 ◐"
    assert "tokens ●: 4.93 sequences of 131,072" in text
    assert "numbers: calibrated. vllm 0.9.0 came up in 31 s; its own lines are in these numbers." in text


def test_why_a_start_teaches_nothing_is_said(session: RecordedSession) -> None:
    text = shown(session, replace(START, company="kb-whisper-large was there"))
    assert "numbers: modelled. vllm 0.9.0 came up in 31 s, but not alone: kb-whisper-large was there." in text


def test_what_runs_otherwise_than_the_file_says_is_a_diff(session: RecordedSession) -> None:
    text = shown(session, with_args(gpu_memory_utilization=0.45, max_num_seqs=64))
    lines = [line.strip() for line in text.splitlines()]
    assert "- gpu-memory-utilization 0.5   fleet file" in lines
    assert "+ gpu-memory-utilization 0.45   running" in lines
    assert "+ max-num-seqs 64   running" in lines
