"""What readings say that the fleet file does not, on one small host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fleet.findings import Finding, Severity
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory, Preferences
from fleet.live import live_findings
from fleet.live.load import Peaks
from fleet.model import Engine, GpuId, Model, Place
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
    Throttling,
)
from fleet.state.joining import join
from fleet.units import GiB, MiB

PCI = ("0000:22:00.0", "0000:0c:00.0")
DRIVER = 284 * MiB
CONTAINER = "0123456789ab" + 52 * "0"
OURS = Model(
    "whisper",
    Engine.parse("whisper"),
    place=Place("gpu01", (0,)),
    service="docker:whisper",
    url="http://127.0.0.1:8002",
    memory_bytes=2 * GiB,
)
INVENTORY = Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", 2),), (OURS,))
RUNNING = ServiceReading(ServiceWord.ACTIVE, main_pid=42)


def process(pid: int, owner: str | None, *held: int, state: str = "S") -> ProcessReading:
    """A process that holds so many GiB of each GPU."""
    sizes = tuple((pci, size * GiB) for pci, size in zip(PCI, held, strict=False) if size)
    return ProcessReading(pid, 1, state, "python", "python", owner, sizes)


HEALTHY = GpuReading(
    GpuIdentity(PCI[1], 0, "1", None, 1, total_bytes=192 * GiB),
    used_bytes=DRIVER,
    temperature_c=95.0,
    temperature_limit_c=110.0,
    memory_temperature_c=90.0,
    memory_temperature_limit_c=105.0,
    throttling=Throttling(power=100.0, hbm_thermal=1.0),
    errors=MemoryErrors(corrected=3, uncorrected=0, retired_pages=2, pending_pages=0, unretirable_pages=0),
)


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (HEALTHY, []),
        (replace(HEALTHY, temperature_c=110.0), [("error", "has a junction of 110 °C, and its limit is 110 °C")]),
        (
            replace(HEALTHY, memory_temperature_c=106.0, throttling=Throttling(hbm_thermal=40.0)),
            [
                ("error", "has a memory of 106 °C, and its limit is 105 °C"),
                ("warning", "is held back 40 % of the time by the heat of its memory"),
            ],
        ),
        (
            replace(HEALTHY, throttling=Throttling(prochot=7.0)),
            [("warning", "is held back 7 % of the time by a signal from outside")],
        ),
        (
            replace(HEALTHY, errors=MemoryErrors(uncorrected=1, pending_pages=2, unretirable_pages=1)),
            [
                ("error", "had 1 memory error that could not be corrected"),
                ("error", "has 1 bad memory page that could not be retired"),
                ("warning", "has 2 bad memory pages to retire at its next reset"),
            ],
        ),
        (replace(HEALTHY, resetting=True), [("error", "is resetting: its driver refuses every sensor")]),
    ],
)
def test_only_what_is_a_fault_of_a_gpu_is_told(reading: GpuReading, told: list[tuple[str, str]]) -> None:
    seen = HostSnapshot("gpu01", Link.LIVE, read_at=1.0, reading=HostReading("boot", 1, 10.0, (reading,), ()))
    state = join(assess(INVENTORY), {"gpu01": seen}, 1.0)
    faults = [finding for finding in live_findings(state, INVENTORY) if finding.code == "LIVE004"]
    assert [(str(fault.severity), fault.headline) for fault in faults] == told
    assert all(fault.gpu == GpuId("gpu01", 1) for fault in faults)


def test_what_was_nearly_full_under_load_is_told_with_its_peak() -> None:
    state = join(assess(INVENTORY), {}, 1.0)
    total = state.gpu(GpuId("gpu01", 0)).total_bytes
    peaks = Peaks(24, {GpuId("gpu01", 0): total - GiB, GpuId("gpu01", 1): total - 9 * GiB}, {"whisper": 0.97})
    assert [finding.message for finding in live_findings(state, INVENTORY, peaks)] == [
        "gpu01/0 came within 1.0 GiB of its memory in the last 24 h.",
        "whisper filled its KV cache to 97% in the last 24 h.",
    ]
    assert live_findings(state, INVENTORY) == ()


def found(
    *processes: ProcessReading,
    unheld: int = 0,
    service: ServiceReading = RUNNING,
    link: Link = Link.LIVE,
    inventory: Inventory = INVENTORY,
) -> Sequence[Finding]:
    """The findings where those processes run and ``unheld`` GiB of the first GPU belong to none of them."""
    gpus = tuple(
        GpuReading(
            GpuIdentity(pci, 0, str(n), None, n, total_bytes=192 * GiB),
            used_bytes=DRIVER + sum(p.on(pci) for p in processes) + (unheld * GiB if n == 0 else 0),
        )
        for n, pci in enumerate(PCI)
    )
    snapshot = HostSnapshot(
        "gpu01",
        link,
        reason="It is slow." if link is not Link.LIVE else "",
        read_at=1.0,
        reading=HostReading("boot", 1, 10.0, gpus, processes).known_as({f"docker:{CONTAINER}": "docker:whisper"}),
        services={"whisper": service},
        engines={"whisper": EngineReading(healthy=True)},
    )
    return live_findings(join(assess(inventory), {"gpu01": snapshot}, 1.0), inventory)


WHISPER = process(42, f"docker:{CONTAINER}", 2)


def test_a_fleet_that_runs_as_its_file_says_has_nothing_to_tell() -> None:
    assert found(WHISPER) == ()


def test_a_container_is_the_models_by_the_id_its_manager_tells() -> None:
    (stranger,) = found(WHISPER, process(43, f"docker:{'f' * 64}", 3))
    assert stranger.headline == "docker container ffffffffffff holds 3.0 GiB and is no model of the fleet file"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("systemd:jupyter.service", "jupyter.service"),
        ("session:1000", "a session of user 1000"),
        ("slurm:42", "Slurm job 42"),
        (None, "python (pid 9)"),
    ],
)
def test_a_stranger_is_told_once_for_all_its_processes_and_gpus(owner: str | None, name: str) -> None:
    (stranger,) = found(WHISPER, process(9, owner, 4, 4), *([process(10, owner, 1, 1)] if owner else []))
    assert (stranger.code, stranger.gpu) == ("LIVE002", GpuId("gpu01", 0))
    assert stranger.message.startswith(f"On gpu01/0, gpu01/1 {name} holds {'10.0' if owner else '8.0'} GiB")


def test_a_stranger_of_a_few_megabytes_is_not_worth_a_word() -> None:
    assert found(WHISPER, process(9, "session:1000", 0)) == ()


def test_memory_no_process_holds_is_on_its_way_back_only_where_something_ended() -> None:
    (stuck,) = found(WHISPER, unheld=41)
    assert (stuck.code, stuck.severity) == ("LIVE002", Severity.WARNING)
    assert stuck.message == "On gpu01/0 41.0 GiB are in use, and no process holds them."
    (draining,) = found(unheld=41, service=ServiceReading(ServiceWord.STOPPED))
    assert (draining.code, draining.severity) == ("LIVE006", Severity.INFO)
    assert draining.message == "whisper ended, and the driver still holds 41.0 GiB of gpu01/0."


def test_a_zombie_of_a_stopped_model_is_still_its_memory() -> None:
    zombie = replace(WHISPER, state="Z")
    (draining,) = found(zombie, service=replace(RUNNING, word=ServiceWord.STOPPED))
    assert draining.message == "whisper has stopped, and its processes still hold 2.0 GiB on gpu01/0."
    assert zombie.is_ending


@pytest.mark.parametrize(("link", "severity"), [(Link.STALE, Severity.WARNING), (Link.LOST, Severity.ERROR)])
def test_a_host_that_is_late_says_so_with_its_reason(link: Link, severity: Severity) -> None:
    (late,) = found(WHISPER, link=link)
    assert (late.code, late.severity, late.subject) == ("LIVE005", severity, "gpu01")
    assert late.message.endswith("It is slow.")


def test_the_fleet_file_may_ignore_what_is_live_and_no_ignore_of_it_is_idle() -> None:
    quiet = replace(INVENTORY, preferences=Preferences(ignore=("LIVE002",)))
    assert found(WHISPER, process(9, "slurm:1", 5), inventory=quiet) == ()
    assert [finding.code for finding in assess(quiet, with_advice=True).findings if finding.code == "IGN001"] == []


def test_what_is_remarked_of_many_hosts_is_told_once() -> None:
    remark = "ssh_config:3: ControlMaster auto is not obeyed."
    hosts = tuple(Host(name, f"ops@{name}", "MI300X", 2) for name in ("gpu01", "gpu02"))
    inventory = Inventory("test", hosts, ())
    snapshots = {host.name: HostSnapshot(host.name, Link.LIVE, remarks=(remark,)) for host in hosts}
    (told,) = live_findings(join(assess(inventory), snapshots, 1.0), inventory)
    assert (told.code, told.severity, told.message, told.subject) == ("LIVE008", Severity.INFO, remark, "gpu01")
