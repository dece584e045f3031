"""Whether a start was alone on its GPUs while it measured what was free."""

from __future__ import annotations

from fleet.calibration.company import Occupant, company
from fleet.readings import GpuIdentity, GpuReading, HostReading, ProcessReading
from fleet.startup import Ending, Startup

PCI = ("0000:22:00.0", "0000:0c:00.0")


def occupant(began: float | None, ended: float | None, *gpus: int, owner: str = "systemd:a.service") -> Occupant:
    return Occupant(Startup("vllm", Ending.STARTED, began=began, ended=ended), frozenset(gpus), owner)


def reading(*processes: tuple[str | None, float, int]) -> HostReading:
    """Processes as (who runs it, seconds from boot to its start, its GPU)."""
    gpus = tuple(GpuReading(GpuIdentity(pci, 0, str(n), None, n)) for n, pci in enumerate(PCI))
    held = tuple(
        ProcessReading(n, round(since * 100), "S", "python", "python", owner, ((PCI[gpu], 1),))
        for n, (owner, since, gpu) in enumerate(processes)
    )
    return HostReading("boot", 1, 9e5, gpus, held)


A = occupant(1000, 1060, 0)


def who(others: dict[str, Occupant], host: HostReading | None = None, *, counts: bool = False) -> str:
    return company("a", {"a": A, **others}, host, counts_neighbours=counts)


def test_a_start_with_nobody_else_on_its_gpus_is_alone() -> None:
    assert who({"b": occupant(1000, 1060, 1, owner="b")}, reading(("systemd:a.service", 1000, 0), ("x", 1030, 1))) == ""


def test_another_start_on_the_same_gpu_at_the_same_time_is_company() -> None:
    assert who({"b": occupant(1050, 1100, 0, 1, owner="b")}) == "b was starting there"
    assert who({"b": occupant(900, 1005, 0, owner="b")}) == "b was starting there"


def test_one_that_was_done_before_or_came_after_is_not() -> None:
    assert who({"b": occupant(900, 990, 0, owner="b"), "c": occupant(1061, 1090, 0, owner="c")}) == ""


def test_a_version_that_counts_others_as_its_own_is_only_alone_where_nobody_is() -> None:
    assert who({"b": occupant(900, 990, 0, owner="b")}, counts=True) == "b was there"
    assert who({"c": occupant(1061, 1090, 0, owner="c")}, counts=True) == ""
    assert who({}, reading(("systemd:old.service", 5, 0)), counts=True) == "systemd:old.service was there"


def test_a_process_without_a_log_is_in_the_way_where_it_came_shortly_before_or_meanwhile() -> None:
    assert who({}, reading((None, 1030, 0))) == "a process of no service was there"
    assert who({}, reading(("systemd:whisper.service", 950, 0))) == "systemd:whisper.service was there"
    assert who({}, reading(("systemd:whisper.service", 600, 0), ("late", 1070, 0))) == ""


def test_a_start_without_times_is_alone_only_where_nobody_else_is() -> None:
    timeless = occupant(None, None, 0)
    assert company("a", {"a": timeless}, reading(("systemd:a.service", 5, 0)), counts_neighbours=False) == ""
    assert company("a", {"a": timeless}, reading(("old", 5, 0)), counts_neighbours=False) == "old was there"


def test_a_neighbour_whose_log_has_no_times_is_judged_by_its_process() -> None:
    neighbour = occupant(None, None, 0, owner="b")
    assert who({"b": neighbour}, reading(("b", 1020, 0))) == "b was there"
    assert who({"b": neighbour}, reading(("b", 2000, 0))) == ""
