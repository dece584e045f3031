"""What a rule of alerts says of each GPU, model and host at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.findings import Finding, Severity, Tense
from fleet.inventory.alerts import AlertRule
from fleet.state import FleetState, GpuState, ModelState, ModelWord
from fleet.text import clean
from fleet.units import duration

_SHARES = ("used_share", "kv_usage")
_NAMES = {
    "used_share": ("memory in use", ""),
    "busy_percent": ("busy", " %"),
    "temperature_c": ("junction temperature", " °C"),
    "memory_temperature_c": ("memory temperature", " °C"),
    "power_w": ("power", " W"),
    "kv_usage": ("KV cache in use", ""),
    "running": ("requests running", ""),
    "waiting": ("requests waiting", ""),
    "tokens_per_second": ("tokens generated", "/s"),
    "ttft_p95_seconds": ("time to first token, p95", " s"),
    "age_seconds": ("age of the reading", " s"),
}


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a rule holds of a subject."""

    holds: bool | None
    """None where it cannot be said, or the figure lies between the threshold and where it is over."""
    sentence: str = ""
    severity: Severity = Severity.INFO


def conditions(rule: AlertRule, state: FleetState) -> Mapping[str, Held]:
    """What the rule says, by subject; one that is absent is not held against anybody."""
    if rule.finding is not None:
        return _findings(rule, state)
    if rule.state is not None:
        return {model.name: _down(rule, model) for model in state.models if model.model.enabled}
    return {subject: _threshold(rule, value) for subject, value in _figures(rule.quantity or "", state)}


def _findings(rule: AlertRule, state: FleetState) -> dict[str, Held]:
    """By code and subject: of several alike, the first, which is the worst."""
    held: dict[str, Held] = {}
    for finding in state.findings:
        if finding.tense is Tense.NOW and _counts(rule, finding):
            severity = Severity(rule.severity or finding.severity)
            key = clean(f"{finding.code} {finding.subject}")
            held.setdefault(key, Held(True, clean(finding.message), severity))
    return held


def _counts(rule: AlertRule, finding: Finding) -> bool:
    if rule.finding in tuple(Severity):
        return finding.severity.rank <= Severity(rule.finding).rank
    return finding.code == rule.finding


def _down(rule: AlertRule, model: ModelState) -> Held:
    if model.word is ModelWord.UNKNOWN:
        return Held(None)
    place = f" on {model.model.place}" if model.model.place else ""
    severity = Severity(rule.severity or Severity.ERROR)
    return Held(model.is_down, clean(f"{model.name}{place} is {model.word}."), severity)


def _figures(quantity: str, state: FleetState) -> Iterator[tuple[str, float | None]]:
    """The figure of each subject that has it; None while it is not known, as of a host that is lost."""
    lost = {host.name for host in state.hosts if not host.link.is_heard}
    if quantity == "age_seconds":
        yield from ((host.name, host.age_seconds) for host in state.hosts)
    elif quantity in ("kv_usage", "running", "waiting", "tokens_per_second", "ttft_p95_seconds"):
        for model in state.models:
            if model.model.enabled:
                known = model.word is not ModelWord.UNKNOWN
                yield model.name, getattr(model.engine, quantity) if known else None
    else:
        for gpu in state.gpus:
            yield str(gpu.gpu), None if gpu.gpu.host in lost else _of_gpu(gpu, quantity)


def _of_gpu(gpu: GpuState, quantity: str) -> float | None:
    if gpu.reading is None:
        return None
    if quantity == "used_share":
        return gpu.used_bytes / gpu.total_bytes if gpu.used_bytes is not None and gpu.total_bytes else None
    figure: float | None = getattr(gpu.reading, quantity)
    return figure


def _threshold(rule: AlertRule, value: float | None) -> Held:
    if value is None:
        return Held(None)
    threshold = rule.above if rule.above is not None else rule.below
    assert threshold is not None, "a rule of a quantity has a threshold"
    upwards = rule.above is not None
    end = threshold if rule.clear is None else rule.clear
    beyond = value > threshold if upwards else value < threshold
    between = value > end if upwards else value < end
    way = "above" if upwards else "below"
    lasting = f" for {duration(rule.seconds)}" if rule.seconds else ""
    name = _NAMES[rule.quantity or ""][0]
    sentence = f"{name} is {_text(rule, value)}, {way} {_text(rule, threshold)}{lasting}."
    severity = Severity(rule.severity or Severity.WARNING)
    return Held(True if beyond else None if between else False, sentence, severity)


def _text(rule: AlertRule, value: float) -> str:
    if rule.quantity in _SHARES:
        return f"{100 * value:.0f} %"
    return f"{value:.4g}{_NAMES[rule.quantity or ''][1]}"
