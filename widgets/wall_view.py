"""What a wallboard is given to show: what is wrong with the fleet in a word, and one of its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.findings import Finding, Severity, Tense
from fleet.model import GpuId
from fleet.readings import Link
from fleet.state import FleetState, GpuState, HostState, ModelState, ModelWord

DOWN = (ModelWord.FAILED, ModelWord.STOPPED)
_GONE = (Link.LOST, Link.UNREACHABLE)
_STYLES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "good"}


@dataclass(frozen=True, slots=True)
class WallView:
    """All a wallboard shows."""

    state: FleetState
    host: str
    """The host whose GPUs are shown."""
    clock: str = ""
    notice: str = ""
    """A sentence about gpudeck itself: that recording has paused. Empty where there is none."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, or that nothing is, in words to be read across a room."""

    severity: Severity
    words: str

    @property
    def style(self) -> str:
        """One of `Rows.STYLES`."""
        return _STYLES[self.severity]

    @property
    def holds(self) -> bool:
        """Whether a wallboard stays where it is until this is over."""
        return self.severity is Severity.ERROR


def trouble(state: FleetState) -> Trouble:
    """The worst there is to say of the fleet: lost hosts, models that are down, errors, late readings, warnings."""
    gone = [host.name for host in state.hosts if host.link in _GONE]
    if gone:
        return Trouble(Severity.ERROR, f"{gone[0]} lost" if len(gone) == 1 else f"{len(gone)} hosts lost")
    down = sum(map(is_down, state.models))
    if down:
        return Trouble(Severity.ERROR, f"{down} down")
    for severity, name in ((Severity.ERROR, "error"), (Severity.WARNING, "warning")):
        late = [host.name for host in state.hosts if host.link is Link.STALE]
        if late and severity is Severity.WARNING:
            return Trouble(severity, f"{late[0]} late" if len(late) == 1 else f"{len(late)} hosts late")
        number = sum(finding.severity is severity for finding in standing(state))
        if number:
            return Trouble(severity, f"{number} {name}" + "s" * (number > 1))
    if any(host.link is Link.CONNECTING for host in state.hosts):
        return Trouble(Severity.INFO, "connecting")
    return Trouble(Severity.INFO, "all well")


def standing(state: FleetState) -> Iterator[Finding]:
    """The findings of what runs; drafts are not a wall's business."""
    return (finding for finding in state.findings if finding.tense is Tense.NOW)


def is_down(model: ModelState) -> bool:
    """Whether it should serve and does not even try."""
    return model.model.enabled and model.word in DOWN


def gpu_severity(state: FleetState, host: HostState, gpu: GpuState) -> Severity:
    """The worst that is wrong with a GPU, its host or a model on it; INFO where nothing is."""
    if host.link in _GONE or any(map(is_down, gpu.models)):
        return Severity.ERROR
    names = {model.name for model in gpu.models if model.model.enabled}
    found = [finding.severity for finding in standing(state) if finding.gpu == gpu.gpu or finding.model in names]
    if host.link is Link.STALE:
        found.append(Severity.WARNING)
    return min(found, key=lambda severity: severity.rank, default=Severity.INFO)


def severities(state: FleetState, host: HostState) -> dict[GpuId, Severity]:
    """How bad it is with each GPU of a host, the worst first; those alike in their own order, so that none jumps."""
    found = {gpu.gpu: gpu_severity(state, host, gpu) for gpu in host.gpus}
    return dict(sorted(found.items(), key=lambda item: item[1].rank))


def hosts_worst_first(state: FleetState) -> list[HostState]:
    """The hosts, those first with which most is wrong; those alike in the order of the file."""

    def badness(host: HostState) -> tuple[bool, int, int, bool]:
        worst = list(severities(state, host).values())
        down = any(is_down(model) for gpu in host.gpus for model in gpu.models)
        return host.link not in _GONE, not down, min((s.rank for s in worst), default=2), host.link is Link.LIVE

    return sorted(state.hosts, key=badness)
