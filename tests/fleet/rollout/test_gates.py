"""What must be seen before a step counts as done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from fleet.model import GpuId
from fleet.planning.plan import Action, Expected, Step
from fleet.readings import (
    EngineReading,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    MemoryErrors,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.rollout.gates import SETTLED_FRAMES, Drained, Seen, Serving, Startable, Stopped
from fleet.units import GiB

GPUS = [GpuIdentity(f"0000:0{index}:00.0", 0, str(index), None, index) for index in range(3)]
STEP = Step(
    1,
    Action.WAIT,
    "a",
    "gpu01",
    "systemd:a.service",
    (GpuId("gpu01", 1),),
    expects=(Expected(GpuId("gpu01", 1), "0000:01:00.0", 90 * GiB, 110 * GiB),),
    asks_health=True,
)
BEFORE = ServiceReading(ServiceWord.STOPPED)
ACTIVE = ServiceReading(ServiceWord.ACTIVE, 7)


def snapshot(service: ServiceReading = ACTIVE, held: Iterable[tuple[int, int]] = (), **engine: object) -> HostSnapshot:
    process = ProcessReading(
        7, 0, "S", "a", "a", "systemd:a.service", tuple((GPUS[index].pci, size) for index, size in held)
    )
    return HostSnapshot(
        "gpu01",
        Link.LIVE,
        reading=HostReading("boot", 1, 1, tuple(GpuReading(gpu) for gpu in GPUS), (process,)),
        services={"a": service},
        engines={"a": replace(EngineReading(healthy=True), **engine)},  # type: ignore[arg-type]
    )


def settled(gate: Serving, *frames: HostSnapshot) -> Seen:
    for frame in frames * (SETTLED_FRAMES + 1):
        seen = gate.see(frame)
        if seen.decided:
            break
    return seen


def test_a_model_serves_once_its_memory_stands_still_where_it_was_placed() -> None:
    gate = Serving(STEP, BEFORE)
    frame = snapshot(held=[(1, 100 * GiB)])
    seen = [gate.see(frame).done for _ in range(SETTLED_FRAMES + 1)]
    assert seen == [False] * SETTLED_FRAMES + [True]


def test_memory_that_still_grows_is_not_settled() -> None:
    gate = Serving(STEP, BEFORE)
    for size in range(90, 110):
        assert gate.see(snapshot(held=[(1, size * GiB)])).waiting_for == "its memory to settle"


def test_an_endpoint_that_does_not_answer_is_waited_for() -> None:
    seen = settled(Serving(STEP, BEFORE), snapshot(held=[(1, 100 * GiB)], healthy=False))
    assert seen.waiting_for == "its endpoint to answer; it holds 100.0 GiB"


def test_memory_beyond_what_was_reckoned_is_told_and_no_failure() -> None:
    seen = settled(Serving(STEP, BEFORE), snapshot(held=[(1, 130 * GiB)]))
    assert (seen.done, seen.remark) == (True, "it holds 130.0 GiB on gpu01/1; 90.0 GiB to 110.0 GiB were expected")


def test_memory_on_another_gpu_is_a_failure() -> None:
    assert "GPU 2" in Serving(STEP, BEFORE).see(snapshot(held=[(1, 50 * GiB), (2, 50 * GiB)])).failure


def test_a_bare_context_on_another_gpu_is_none() -> None:
    assert settled(Serving(STEP, BEFORE), snapshot(held=[(1, 100 * GiB), (2, GiB // 3)])).done


def test_a_gpu_of_the_place_that_stays_empty_is_a_failure() -> None:
    both = replace(STEP, expects=(*STEP.expects, Expected(GpuId("gpu01", 2), GPUS[2].pci, 1, GiB)))
    assert "nothing on gpu01/2" in settled(Serving(both, BEFORE), snapshot(held=[(1, 100 * GiB)])).failure


@pytest.mark.parametrize(
    ("service", "failure"),
    [
        (ServiceReading(ServiceWord.FAILED, result="exit-code"), "its service failed (exit-code)"),
        (ServiceReading(ServiceWord.ACTIVE, restarts=1), "its process ended and was started again"),
        (ServiceReading(ServiceWord.STARTING, result="signal"), "its process ended and was started again"),
    ],
)
def test_a_service_that_failed_is_seen_at_once(service: ServiceReading, failure: str) -> None:
    assert Serving(STEP, BEFORE).see(snapshot(service)).failure == failure


def test_restarts_are_counted_from_the_start_on() -> None:
    gate = Serving(STEP, ServiceReading(ServiceWord.FAILED, restarts=5))
    assert not gate.see(snapshot(ServiceReading(ServiceWord.ACTIVE, restarts=0))).failure
    assert gate.see(snapshot(ServiceReading(ServiceWord.ACTIVE, restarts=1))).failure


@pytest.mark.parametrize("word", [ServiceWord.STOPPED, ServiceWord.FAILED])
def test_an_answer_that_may_be_older_than_the_start_does_not_decide(word: ServiceWord) -> None:
    gate = Serving(STEP, ServiceReading(word))
    old = snapshot(ServiceReading(word))
    assert not gate.see(old).decided
    assert not gate.see(old).decided, "the same answer, in another frame"
    assert gate.see(snapshot(ServiceReading(word))).failure


def test_nothing_is_decided_while_the_host_is_not_live() -> None:
    frame = replace(snapshot(ServiceReading(ServiceWord.FAILED)), link=Link.STALE)
    assert Serving(STEP, BEFORE).see(frame).waiting_for == "a reading of the host"
    assert Stopped(STEP).see(frame).waiting_for == "a reading of the host"


def test_a_stop_is_over_once_the_driver_has_the_memory_back() -> None:
    stopped = ServiceReading(ServiceWord.STOPPED)
    assert Stopped(STEP).see(snapshot(held=[(1, GiB)])).waiting_for == "the service to stop"
    assert Stopped(STEP).see(snapshot(stopped, held=[(1, GiB)])).waiting_for == "the driver to take back 1.0 GiB"
    assert Stopped(STEP).see(snapshot(stopped)).done


def with_gpu(frame: HostSnapshot, **facts: object) -> HostSnapshot:
    """The same frame with other facts of GPU 1."""
    assert frame.reading
    gpus = tuple(replace(gpu, **facts) if gpu.identity is GPUS[1] else gpu for gpu in frame.reading.gpus)  # type: ignore[arg-type]
    return replace(frame, reading=replace(frame.reading, gpus=gpus))


def test_a_stop_waits_for_memory_that_no_process_holds_any_more() -> None:
    stopped = ServiceReading(ServiceWord.STOPPED)
    before = with_gpu(snapshot(held=[(1, 100 * GiB)]), used_bytes=104 * GiB).reading
    gate = Stopped(STEP, before)
    assert gate.see(with_gpu(snapshot(stopped), used_bytes=44 * GiB)).waiting_for == "the driver to take back 40.0 GiB"
    assert gate.see(with_gpu(snapshot(stopped), used_bytes=4 * GiB)).done, "what was of nobody before stays so"


def test_nothing_is_started_on_a_gpu_that_resets_or_keeps_memory_or_loses_some() -> None:
    before = with_gpu(snapshot(), used_bytes=GiB, errors=MemoryErrors(uncorrected=2))
    gate = Startable(STEP, before.reading)
    assert gate.see(before).done, "errors of before the rollout are the operator's to judge"
    assert gate.see(with_gpu(before, resetting=True)).waiting_for == "gpu01/1, which is resetting"
    kept = gate.see(with_gpu(before, used_bytes=31 * GiB))
    assert kept.waiting_for == "the driver to take back 30.0 GiB on gpu01/1 that no process holds"
    broken = gate.see(with_gpu(before, errors=MemoryErrors(uncorrected=3)))
    assert broken.failure == "gpu01/1 has had memory errors since, so nothing is started on it"


def test_a_drain_is_over_once_nothing_runs_or_waits() -> None:
    assert Drained(STEP).see(snapshot(running=2, waiting=1)).waiting_for == "3 requests"
    assert Drained(STEP).see(snapshot(running=0)).done
