"""LIVE004: GPUs that are hot, held back by heat or supply, losing memory, or resetting."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding, Severity, Tense
from fleet.readings import GpuReading, MemoryErrors, Throttling
from fleet.state import FleetState, GpuState

_HELD_BACK = 5.0
"""Per cent of the time from which being held back is worth a word."""

_Fault = tuple[Severity, str]


def find(state: FleetState) -> Iterator[Finding]:
    """Each fault of each GPU. Running into the power limit is none: that is what a busy GPU does."""
    for gpu in state.gpus:
        for severity, words in _faults(gpu.reading) if gpu.reading else ():
            yield _finding(gpu, severity, words)


def _faults(reading: GpuReading) -> Iterator[_Fault]:
    if reading.resetting:
        yield Severity.ERROR, "is resetting: its driver refuses every sensor"
    yield from _heat("junction", reading.temperature_c, reading.temperature_limit_c)
    yield from _heat("memory", reading.memory_temperature_c, reading.memory_temperature_limit_c)
    if reading.throttling:
        yield from _held_back(reading.throttling)
    if reading.errors:
        yield from _lost_memory(reading.errors)


def _heat(what: str, celsius: float | None, limit: float | None) -> Iterator[_Fault]:
    if celsius is not None and limit and celsius >= limit:
        yield Severity.ERROR, f"has a {what} of {celsius:.0f} °C, and its limit is {limit:.0f} °C"


def _held_back(told: Throttling) -> Iterator[_Fault]:
    shares = (
        (told.socket_thermal, "the heat of its socket"),
        (told.hbm_thermal, "the heat of its memory"),
        (told.vr_thermal, "the heat of its voltage regulators"),
        (told.prochot, "a signal from outside"),
    )
    for share, words in shares:
        if share is not None and share >= _HELD_BACK:
            yield Severity.WARNING, f"is held back {share:.0f} % of the time by {words}"


def _lost_memory(errors: MemoryErrors) -> Iterator[_Fault]:
    if errors.uncorrected:
        yield Severity.ERROR, f"had {_counted(errors.uncorrected, 'memory error')} that could not be corrected"
    if errors.unretirable_pages:
        yield Severity.ERROR, f"has {_counted(errors.unretirable_pages, 'bad memory page')} that could not be retired"
    if errors.pending_pages:
        yield Severity.WARNING, f"has {_counted(errors.pending_pages, 'bad memory page')} to retire at its next reset"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _finding(gpu: GpuState, severity: Severity, words: str) -> Finding:
    return Finding(
        code="LIVE004", severity=severity, tense=Tense.NOW, message=f"{gpu.gpu} {words}.", headline=words, gpu=gpu.gpu
    )
