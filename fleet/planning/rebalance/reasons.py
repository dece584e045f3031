"""Why each model is moved, in a sentence an operator can weigh."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.findings.assess import Assessment
from fleet.findings.decoding import generates
from fleet.model import GpuId, Model, Place
from fleet.planning.rebalance.posing import Question
from fleet.text import clean
from fleet.units import gib_text

_LOUD = (Severity.ERROR, Severity.WARNING)


def why(name: str, now: Assessment, then: Assessment, question: Question) -> str:
    """``devstral-small to gpu01/7: gpu01/1 peaks at 190.1, may reach 194.2 of 192.0 GiB; 41.2 GiB stay free there.``"""
    before, after = now.inventory.model(name), then.inventory.model(name)
    assert after.place is not None, "it was given a place"
    home = before.place if before.enabled else None
    cause = _cause(name, home, now, then, question) if home else "it is to be enabled"
    given = [f"{flag} {value}" for flag, value in after.args.items() if before.args.get(flag) != value]
    smaller = f" with {', '.join(given)}" if given else ""
    where = "stays on" if after.place == home else "to"
    return f"{name} {where} {after.place}{smaller}: {cause}; {_room_left(after.place, then)}."


def _cause(name: str, home: Place, now: Assessment, then: Assessment, question: Question) -> str:
    emptied = [gpu for gpu in home.gpu_ids if gpu in question.emptied]
    if emptied:
        return f"{_names(emptied)} is to be emptied"
    if name in question.restarting:
        return "it is restarted anyway"
    found = next((words for gpu in home.gpu_ids if (words := _trouble(gpu, now))), None)
    if found:
        return found
    comers = [
        model.name for gpu in home.gpu_ids for model in then.inventory.on(gpu) if model not in now.inventory.on(gpu)
    ]
    if comers:
        return f"it makes room on {home} for {', '.join(dict.fromkeys(comers))}"
    return _gain(now.inventory.model(name), home, now, then) or f"{home} keeps more room without it"


def _gain(model: Model, home: Place, now: Assessment, then: Assessment) -> str:
    """Which of the operators' goals its move serves; empty where none is seen to."""
    empty = [gpu for gpu in home.gpu_ids if not then.inventory.on(gpu)]
    if empty:
        return f"{_names(empty)} {'is' if len(empty) == 1 else 'are'} left empty"
    for gpu in home.gpu_ids:
        for other in now.inventory.on(gpu):
            if other != model and model.role and other.role == model.role:
                return f"on {gpu} it was beside {other.name}, which is for {model.role} too"
            if other != model and generates(model) and generates(other):
                return f"on {gpu} it divided the bandwidth with {other.name}"
    return ""


def _trouble(gpu: GpuId, now: Assessment) -> str:
    """What is wrong on a GPU now, in the finding's own words."""
    names = {model.name for model in now.inventory.on(gpu)}
    for finding in now.findings:
        if finding.severity not in _LOUD:
            continue
        if finding.gpu == gpu and finding.model is None:
            return f"{gpu} {clean(finding.headline)}"
        if finding.model in names and finding.gpu in (gpu, None):
            return f"on {gpu} {finding.model} {clean(finding.headline)}"
    return ""


def _room_left(place: Place, then: Assessment) -> str:
    left = min(then.outlooks[gpu].spare_bytes for gpu in place.gpu_ids)
    if left < 0:
        return f"at the high end of the estimates {gib_text(-left)} are missing there"
    return f"{gib_text(left)} stay free there at the high end of the estimates"


def _names(gpus: list[GpuId]) -> str:
    return ", ".join(map(str, gpus))
