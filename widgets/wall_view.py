"""What a wallboard is given to show: what is wrong with the fleet in a word, and one of its hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fleet.findings import Finding, Severity, Tense
from fleet.model import GpuId
from fleet.readings import Link
from fleet.state import FleetState, GpuState, HostState

_GONE = (Link.LOST, Link.UNREACHABLE)
_STYLES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "good"}


class WallAlert(NamedTuple):
    """A figure that has been beyond its threshold for long enough."""

    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class WallView:
    """All a wallboard shows."""

    state: FleetState
    host: str
    """The host whose GPUs are shown."""
    clock: str = ""
    alerts: tuple[WallAlert, ...] = ()
    """Beside what findings and states of models say."""
    coarse: bool = False
    """Whether half cells are to be left out, as ASCII does."""
    notice: str = ""
    """A sentence about gpudeck itself: that recording has paused. Empty where there is none."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, or that nothing is, in words to be read across a room."""

    severity: Severity
    words: str

    @property
    def style(self) -> str:
        """One of `widgets.palette.STYLES`."""
        return _STYLES[self.severity]

    @property
    def holds(self) -> bool:
        """Whether a wallboard stays where it is until this is over."""
        return self.severity is Severity.ERROR


def trouble(state: FleetState, alerts: Sequence[WallAlert] = ()) -> Trouble:
    """The worst there is to say of the fleet: lost hosts, models that are down, errors, late readings, warnings."""
    gone = [host.name for host in state.hosts if host.link in _GONE]
    if gone:
        return Trouble(Severity.ERROR, _counted(gone, "lost"))
    down = sum(model.is_down for model in state.models)
    if down:
        return Trouble(Severity.ERROR, f"{down} down")
    found = Counter([*(finding.severity for finding in standing(state)), *(alert.severity for alert in alerts)])
    if found[Severity.ERROR]:
        return Trouble(Severity.ERROR, _plural(found[Severity.ERROR], "error"))
    late = [host.name for host in state.hosts if host.link is Link.STALE]
    if late:
        return Trouble(Severity.WARNING, _counted(late, "late"))
    if found[Severity.WARNING]:
        return Trouble(Severity.WARNING, _plural(found[Severity.WARNING], "warning"))
    connecting = any(host.link is Link.CONNECTING for host in state.hosts)
    return Trouble(Severity.INFO, "connecting" if connecting else "all well")


def _counted(hosts: Sequence[str], what: str) -> str:
    return f"{hosts[0]} {what}" if len(hosts) == 1 else f"{len(hosts)} hosts {what}"


def _plural(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def standing(state: FleetState) -> Iterator[Finding]:
    """The findings of what runs; drafts are not a wall's business."""
    return (finding for finding in state.findings if finding.tense is Tense.NOW)


def gpu_severities(state: FleetState) -> dict[GpuId, Severity]:
    """The worst that is wrong with each GPU, its host or a model on it; INFO where nothing is."""
    of_gpu: dict[GpuId, Severity] = {}
    of_model: dict[str, Severity] = {}
    for finding in reversed([*standing(state)]):  # so that the worst, which comes first, is what stays
        if finding.gpu:
            of_gpu[finding.gpu] = finding.severity
        if finding.model:
            of_model[finding.model] = finding.severity
    return {gpu.gpu: _severity(host, gpu, of_gpu, of_model) for host in state.hosts for gpu in host.gpus}


def _severity(
    host: HostState, gpu: GpuState, of_gpu: Mapping[GpuId, Severity], of_model: Mapping[str, Severity]
) -> Severity:
    models = [model for model in gpu.models if model.model.enabled]
    if host.link in _GONE or any(model.is_down for model in models):
        return Severity.ERROR
    found = [of_gpu.get(gpu.gpu, Severity.INFO), *(of_model.get(model.name, Severity.INFO) for model in models)]
    if host.link is Link.STALE:
        found.append(Severity.WARNING)
    return min(found, key=lambda severity: severity.rank)


def gpus_worst_first(state: FleetState, host: HostState) -> list[tuple[GpuState, Severity]]:
    """How bad it is with each GPU of a host, the worst first; those alike in their own order, so that none jumps."""
    bad = gpu_severities(state)
    return sorted(((gpu, bad[gpu.gpu]) for gpu in host.gpus), key=lambda item: item[1].rank)


def hosts_worst_first(state: FleetState) -> list[HostState]:
    """The hosts, those first with which most is wrong; those alike in the order of the file."""
    bad = gpu_severities(state)

    def place(host: HostState) -> tuple[bool, bool, int, bool]:
        down = any(model.is_down for gpu in host.gpus for model in gpu.models)
        worst = min((bad[gpu.gpu].rank for gpu in host.gpus), default=Severity.INFO.rank)
        return host.link not in _GONE, not down, worst, host.link is Link.LIVE

    return sorted(state.hosts, key=place)
