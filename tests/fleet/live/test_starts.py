"""What a model's own start says of what it holds and how it runs, against the fleet file and the driver's count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fleet.calibration.known import is_same_source, known_starts
from fleet.findings import Finding
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Restart, SetArgument
from fleet.live import live_findings
from fleet.model import Arguments, Engine, Model, Place, Scalar
from fleet.readings import (
    EngineReading,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.startup import Ending, ModelStart, RankStart, Size, Startup
from fleet.state.joining import join
from fleet.units import GiB

PCI = "0000:22:00.0"
OWNER = "systemd:llama.service"
IN_FILE: dict[str, Scalar] = {"gpu-memory-utilization": 0.8, "enable-chunked-prefill": False}
LLAMA = Model(
    "llama",
    Engine.parse("vllm 0.9.0"),
    source="meta-llama/Llama-3.1-8B-Instruct",
    place=Place("gpu01", (0,)),
    service=OWNER,
    args=Arguments(IN_FILE),
)


def size(gib: float) -> Size:
    return Size(round(gib * GiB), 5_000_000)


STARTUP = Startup(
    "vllm",
    Ending.STARTED,
    "0.9.0",
    (RankStart("", size(15.3), size(14.63), size(0.66), size(0.7), size(122.99)),),
    cache_blocks=62971,
)
RESTS = 15.3 + 0.66 + 0.7 + 122.99 + 0.24
START = ModelStart(STARTUP, Arguments(IN_FILE), LLAMA.source or "", "MI300X", (), "run-2")


def found(
    holds: float = RESTS, start: ModelStart = START, model: Model = LLAMA, run: str = "run-2"
) -> Sequence[Finding]:
    """The findings where the model's process holds so many GiB and its start was that."""
    inventory = Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", 1),), (model,))
    held = round(holds * GiB)
    identity = GpuIdentity(PCI, 0, "1", None, 0, total_bytes=206_141_652_992)
    process = ProcessReading(42, 1, "S", "python", "vllm serve", OWNER, ((PCI, held),))
    snapshot = HostSnapshot(
        "gpu01",
        Link.LIVE,
        read_at=1.0,
        reading=HostReading("boot", 1, 10.0, (GpuReading(identity, used_bytes=held),), (process,)),
        services={"llama": ServiceReading(ServiceWord.ACTIVE, main_pid=42, invocation=run)},
        engines={"llama": EngineReading(healthy=True)},
        starts={"llama": start},
    )
    snapshots = {"gpu01": snapshot}
    assessment = assess(inventory, starts=known_starts(inventory, snapshots))
    codes = ("LIVE001", "LIVE003")
    return [f for f in live_findings(join(assessment, snapshots, 1.0), inventory) if f.code in codes]


def runs_with(**changed: Scalar) -> ModelStart:
    args = {**IN_FILE, **{flag.replace("_", "-"): value for flag, value in changed.items()}}
    return replace(START, args=Arguments({flag: value for flag, value in args.items() if value is not None}))


@pytest.mark.parametrize("holds", [RESTS, RESTS + 7, RESTS + 14.63])
def test_between_rest_and_peak_all_is_as_its_start_said(holds: float) -> None:
    assert found(holds) == []


def test_more_than_its_peak_is_said_with_where_it_can_be() -> None:
    (finding,) = found(RESTS + 20)
    assert finding.code == "LIVE001"
    assert finding.message.startswith("llama holds 159.9 GiB on gpu01/0, where its own start makes ")
    assert finding.message.endswith(" more, beside weights, cache and graphs.")
    assert finding.numbers["apart_bytes"] == pytest.approx(5.1 * GiB, abs=0.4 * GiB)


def test_a_cache_that_was_put_away_is_named() -> None:
    (finding,) = found(RESTS - 122.99)
    assert "less, about its KV cache" in finding.message
    assert finding.numbers["apart_bytes"] < -120 * GiB


@pytest.mark.parametrize(
    "start", [replace(START, company="kb-whisper-large was there"), replace(START, accelerator="H100")]
)
def test_an_estimate_that_learned_nothing_is_not_held_against_it(start: ModelStart) -> None:
    assert found(RESTS + 30, start) == []


def test_a_former_run_s_start_says_nothing_of_this_one() -> None:
    assert found(RESTS + 30, runs_with(max_num_seqs=64), run="run-3") == []


def test_what_runs_with_other_arguments_is_shown_argument_by_argument() -> None:
    (finding,) = found(RESTS, runs_with(gpu_memory_utilization=0.7, max_num_seqs=64))
    assert finding.code == "LIVE003"
    assert finding.message == (
        "llama runs otherwise than the fleet file says: gpu-memory-utilization 0.7 (file: 0.8); "
        "max-num-seqs 64 (file: not set)."
    )


def test_the_ways_out_take_it_into_the_file_or_restart_it() -> None:
    (finding,) = found(RESTS, runs_with(gpu_memory_utilization=0.7))
    into, again = finding.fixes
    assert into.changes == (SetArgument("llama", "gpu-memory-utilization", 0.7),)
    assert again.changes == (Restart("llama"),)


def test_a_restart_is_no_way_out_where_the_unit_itself_says_more() -> None:
    (finding,) = found(RESTS, runs_with(max_num_seqs=64, enable_chunked_prefill=None))
    (into,) = finding.fixes
    assert into.changes == (SetArgument("llama", "max-num-seqs", 64),)


@pytest.mark.parametrize(
    "harmless",
    [
        {"port": 8001},
        {"served_model_name": "llama"},
        {"gpu_memory_utilization": "0.80"},
        {"enable_chunked_prefill": None},
    ],
)
def test_what_decides_no_memory_or_is_written_otherwise_is_no_drift(harmless: dict[str, Scalar]) -> None:
    assert found(RESTS, runs_with(**harmless)) == []


def test_another_version_or_model_than_the_file_says_is_drift_without_a_computed_way_out() -> None:
    newer = replace(START, startup=replace(STARTUP, build="0.9.2"), source="Qwen/Qwen3-32B")
    (finding,) = found(RESTS, newer)
    assert "source Qwen/Qwen3-32B (file: meta-llama/Llama-3.1-8B-Instruct)" in finding.message
    assert "engine vllm 0.9.2 (file: vllm 0.9.0)" in finding.message
    assert finding.fixes == ()


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("/srv/models/Llama-3.1-8B-Instruct", True),
        ("/hub/models--meta-llama--Llama-3.1-8B-Instruct/snapshots/5206a32e", True),
        ("meta-llama/Llama-3.1-70B-Instruct", False),
        ("/srv/models/current", False),
    ],
)
def test_a_path_is_of_a_model_whose_name_it_ends_with_or_keeps(other: str, same: bool) -> None:
    assert is_same_source("meta-llama/Llama-3.1-8B-Instruct", other) is same
