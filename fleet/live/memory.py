"""LIVE002 and LIVE006: memory that belongs to nobody of the fleet file, and memory on its way back."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.findings import Finding, Severity, Tense
from fleet.model import GpuId
from fleet.readings import ProcessReading
from fleet.state import FleetState, GpuState, HostState, ModelWord
from fleet.telemetry.owners import owner_text
from fleet.units import GiB, gib_text

_WORTH_A_WORD = GiB
"""What page tables, other drivers' buffers and rounding may take without anybody holding it."""
_DOWN = (ModelWord.DRAINING, ModelWord.STOPPING, ModelWord.STOPPED, ModelWord.FAILED)


def find(state: FleetState) -> Iterator[Finding]:
    """Strangers' memory, memory of models that were stopped, and memory that no process holds."""
    for host in state.hosts:
        yield from _strangers(host)
        for gpu in host.gpus:
            yield from _draining(gpu)
            yield from _unheld(gpu)


def _strangers(host: HostState) -> Iterator[Finding]:
    """One finding for each who holds memory, however many processes and GPUs it has."""
    held: dict[str, dict[GpuId, int]] = {}
    names: dict[str, ProcessReading] = {}
    for gpu in host.gpus:
        for process in gpu.strangers:
            who = owner_text(process.owner) or f"{process.name} (pid {process.pid})"
            names.setdefault(who, process)
            by_gpu = held.setdefault(who, {})
            by_gpu[gpu.gpu] = by_gpu.get(gpu.gpu, 0) + process.on(gpu.pci or "")
    for who, by_gpu in held.items():
        size = sum(by_gpu.values())
        if size >= _WORTH_A_WORD:
            where = ", ".join(map(str, by_gpu))
            headline = f"{who} holds {gib_text(size)} and is no model of the fleet file"
            first = next(iter(by_gpu))
            yield _finding("LIVE002", Severity.WARNING, first, headline, f"On {where} {headline}.", size)


def _draining(gpu: GpuState) -> Iterator[Finding]:
    for model in gpu.models:
        size = model.used_by_gpu.get(gpu.gpu, 0)
        if model.word is ModelWord.DRAINING and size:
            headline = f"{model.name} has stopped, and its processes still hold {gib_text(size)}"
            yield _finding("LIVE006", Severity.INFO, gpu.gpu, headline, f"{headline} on {gpu.gpu}.", size)


def _unheld(gpu: GpuState) -> Iterator[Finding]:
    """Memory beyond the driver's own that no process holds: on its way back where a model was stopped, else stuck."""
    if gpu.unheld_bytes is None:
        return
    size = gpu.unheld_bytes - gpu.outlook.driver_bytes
    if size < _WORTH_A_WORD:
        return
    down = [model.name for model in gpu.models if model.word in _DOWN]
    if down:
        headline = f"{' and '.join(down)} ended, and the driver still holds {gib_text(size)}"
        yield _finding("LIVE006", Severity.INFO, gpu.gpu, headline, f"{headline} of {gpu.gpu}.", size)
    else:
        headline = f"{gib_text(size)} are in use, and no process holds them"
        yield _finding("LIVE002", Severity.WARNING, gpu.gpu, headline, f"On {gpu.gpu} {headline}.", size)


def _finding(code: str, severity: Severity, gpu: GpuId, headline: str, message: str, size: int) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        tense=Tense.NOW,
        message=message,
        headline=headline,
        gpu=gpu,
        numbers=MappingProxyType({"held_bytes": size}),
    )
