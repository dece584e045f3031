"""What changes in a fleet as sentences, one for each thing that is other than when it was last told."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.findings import Finding
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument
from fleet.model import GpuId
from fleet.readings import Link
from fleet.state import FleetState, GpuState, HostState, ModelState
from fleet.units import gib

WORTH_TELLING = 0.05
"""Share of a GPU's memory: what is used wanders by less without anything having happened."""

_FINDING = "finding"
_FIX = " Fix: "


class Teller:
    """Remembers what it told, and tells what differs."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._used: dict[GpuId, int] = {}

    def tell(self, state: FleetState) -> list[str]:
        """What is new or changed since the last call, hosts first; then the findings that are gone."""
        now = dict(self._sentences(state))
        news = [text for key, text in now.items() if self._told.get(key) != text]
        gone = [_over(text) for key, text in self._told.items() if key not in now and key.startswith(_FINDING)]
        self._told = now
        return news + gone

    def _sentences(self, state: FleetState) -> Iterator[tuple[str, str]]:
        for host in state.hosts:
            yield f"host {host.name}", _host(host)
        for gpu in state.gpus:
            if gpu.used_bytes is not None and state.host(gpu.gpu.host).link is Link.LIVE:
                yield f"gpu {gpu.gpu}", self._memory(gpu, gpu.used_bytes)
        for model in state.models:
            yield f"model {model.name}", _model(model)
        for finding in state.findings:
            yield f"{_FINDING} {finding.tense} {finding.code} {finding.subject}", finding_sentence(finding)

    def _memory(self, gpu: GpuState, used: int) -> str:
        told = self._used.get(gpu.gpu)
        if told is None or abs(used - told) > WORTH_TELLING * gpu.total_bytes:
            self._used[gpu.gpu] = told = used
        return f"{gpu.gpu} uses {gib(told)} of {gib(gpu.total_bytes)} GiB."


def _host(host: HostState) -> str:
    return f"Host {host.name} is {host.link}" + (f": {host.reason}" if host.reason else ".")


def _model(model: ModelState) -> str:
    where = f" on {model.model.place}" if model.model.place and model.model.enabled else ""
    return f"{model.name} is {model.word}{where}."


def finding_sentence(finding: Finding) -> str:
    """A finding, what it is about, and how to end it."""
    fixes = f"{_FIX}{' or '.join(fix.summary for fix in finding.fixes)}." if finding.fixes else ""
    tense = str(finding.tense).capitalize()
    return f"{tense}, {finding.severity} {finding.code}, {finding.subject}: {finding.message}{fixes}"


def _over(sentence: str) -> str:
    """That a finding is gone: its sentence without its tense and the fixes nobody needs any more."""
    return f"No longer: {sentence.partition(', ')[2].partition(_FIX)[0]}"


def change_sentence(change: Change) -> str:
    """What a change of the draft asks for."""
    match change:
        case Move(model, place):
            return f"Move {model} to {place}."
        case SetArgument(model, flag, None):
            return f"Take {flag} of {model} away."
        case SetArgument(model, flag, value):
            return f"Set {flag} of {model} to {value}."
        case Serve(model, source):
            return f"Serve {source} as {model}."
        case Enable(model):
            return f"Enable {model}."
        case Disable(model):
            return f"Disable {model}."
        case Restart(model):
            return f"Restart {model}."
