"""The fleet as it was recorded at one time, as the value that screens show the present from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from fleet.findings import Finding, Severity, Tense, worst_first
from fleet.findings.assessment import Assessment
from fleet.history.values import Event, EventKind, Kind, Subject
from fleet.inventory import Inventory
from fleet.model import GpuId, Model, Place
from fleet.readings import EngineReading, GpuIdentity, GpuReading, Link
from fleet.startup import ModelStart
from fleet.state import FleetState, GpuState, HostState, ModelState, ModelWord
from fleet.state.joining import join
from fleet.units import duration

if TYPE_CHECKING:
    from fleet.history.reading import Moment


@dataclass(frozen=True, slots=True)
class Known:
    """What the present knows and the history does not keep."""

    inventory: Inventory
    """Hosts, and models with their arguments."""
    identities: Mapping[GpuId, GpuIdentity]
    totals: Mapping[GpuId, int]
    """Bytes of each GPU that was read."""
    starts: Mapping[str, ModelStart]


@dataclass(frozen=True, slots=True)
class Past:
    """The fleet at one time of its past."""

    at: int
    """Unix seconds."""
    state: FleetState
    inventory: Inventory
    """The fleet file's models where they were then. Their arguments are today's: no others are recorded."""
    events: tuple[Event, ...]
    """What became so in that second."""


def past_words(at: float, now: float) -> str:
    """A time of the past with how long ago it was: ``PAST 14:02:31, 3 min ago``.

    The age goes by tens of seconds and by minutes, so that it is not painted anew every second.
    """
    then, today = (datetime.fromtimestamp(time).astimezone() for time in (at, now))
    when = f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%m-%d %H:%M:%S}"
    age = max(10, int(now - at))
    return f"PAST {when}, {duration(age - age % (10 if age < 60 else 60))} ago"


def past(moment: Moment, events: tuple[Event, ...], known: Known) -> Past:
    """That moment of the fleet. What was not measured then, or is not recorded, is not there."""
    from fleet.findings.placement import place  # the estimators; the first screen is painted without them

    inventory = _as_placed(moment, known.inventory)
    placement = place(inventory, totals=known.totals, starts=known.starts)
    blank = join(Assessment(inventory, placement.estimates, placement.outlooks, ()), {}, 0.0)
    links = _links(moment, inventory)
    models = {model.name: _model(moment, model, links) for model in blank.models}
    hosts = tuple(_host(moment, replace(host, link=links[host.name]), models, known) for host in blank.hosts)
    found = worst_first(_findings(moment, inventory))
    state = FleetState(blank.fleet, hosts, tuple(models.values()), found)
    return Past(moment.at, state, inventory, events)


def _as_placed(moment: Moment, inventory: Inventory) -> Inventory:
    """The models where they were recorded; one that was recorded nowhere, or where no GPU is any more, is disabled.

    A model of which nothing was recorded yet stands where it is today: nobody knows better.
    """
    there = set(inventory.gpu_ids)

    def placed(model: Model) -> Model:
        if not _is_recorded(moment, model):
            return model
        try:
            recorded = Place.parse(moment.facts.get((EventKind.PLACE, model.name), ""))
        except ValueError:
            return replace(model, enabled=False)
        if not there.issuperset(recorded.gpu_ids):
            return replace(model, enabled=False)
        return replace(model, place=recorded, enabled=True)

    return replace(inventory, models=tuple(placed(model) for model in inventory.models))


def _is_recorded(moment: Moment, model: Model) -> bool:
    return any((kind, model.name) in moment.facts for kind in (EventKind.PLACE, EventKind.STATE))


def _links(moment: Moment, inventory: Inventory) -> dict[str, Link]:
    """Of each host. One that was live when last heard of, and of which nothing is recorded then, nobody was reading."""
    read = {subject.name.partition("/")[0] for subject in moment.values if subject.kind is Kind.GPU}
    links = {}
    for host in inventory.hosts:
        recorded = moment.facts.get((EventKind.LINK, host.name), "")
        known = recorded in set(Link) and (recorded != Link.LIVE or host.name in read)
        links[host.name] = Link(recorded) if known else Link.CONNECTING
    return links


def _model(moment: Moment, blank: ModelState, links: Mapping[str, Link]) -> ModelState:
    """A model's recorded figures. Which GPU held how much of one on several is not recorded."""
    model = blank.model
    values = moment.values.get(Subject(Kind.MODEL, model.name), {})
    word = _word(moment, model, links)
    used = None if (size := values.get("used_bytes")) is None else round(size)
    gpus = model.place.gpu_ids if model.place and model.enabled else ()
    return replace(
        blank,
        word=word,
        used_bytes=used,
        used_by_gpu={gpus[0]: used} if used is not None and len(gpus) == 1 else {},
        engine=EngineReading(
            healthy=word is ModelWord.SERVING,
            kv_usage=values.get("kv_usage"),
            running=_whole(values.get("running")),
            waiting=_whole(values.get("waiting")),
            tokens_per_second=values.get("tokens_per_second"),
            requests_per_second=values.get("requests_per_second"),
            ttft_p95_seconds=values.get("ttft_p95_seconds"),
        ),
    )


def _word(moment: Moment, model: Model, links: Mapping[str, Link]) -> ModelWord:
    if not _is_recorded(moment, model):
        return ModelWord.UNKNOWN
    if not model.enabled or model.place is None:
        return ModelWord.DISABLED
    recorded = moment.facts.get((EventKind.STATE, model.name))
    seen = links[model.place.host].is_heard
    return ModelWord(recorded) if seen and recorded in set(ModelWord) else ModelWord.UNKNOWN


def _host(moment: Moment, blank: HostState, models: Mapping[str, ModelState], known: Known) -> HostState:
    gpus = (
        replace(
            gpu,
            reading=_reading(moment, gpu, known.identities),
            models=tuple(models[model.name] for model in gpu.models),
        )
        for gpu in blank.gpus
    )
    return replace(blank, gpus=tuple(gpus))


def _reading(moment: Moment, gpu: GpuState, identities: Mapping[GpuId, GpuIdentity]) -> GpuReading | None:
    values = moment.values.get(Subject(Kind.GPU, str(gpu.gpu)))
    if values is None:
        return None
    return GpuReading(
        identities.get(gpu.gpu, GpuIdentity("", 0, "", None, gpu.gpu.index)),
        used_bytes=_whole(values.get("used_bytes")),
        busy_percent=_whole(values.get("busy_percent")),
        temperature_c=values.get("temperature_c"),
        memory_temperature_c=values.get("memory_temperature_c"),
        power_w=values.get("power_w"),
    )


def _findings(moment: Moment, inventory: Inventory) -> Iterator[Finding]:
    """Those that stood then, as sentences: no numbers and no fixes are recorded."""
    names = {model.name for model in inventory.models}
    hosts = {host.name for host in inventory.hosts}
    for (kind, subject), told in moment.facts.items():
        if kind is not EventKind.FINDING:
            continue
        code, _, about = subject.partition(" ")
        severity, _, message = told.partition(": ")
        yield Finding(
            code,
            Severity(severity) if severity in set(Severity) else Severity.INFO,
            Tense.NOW,
            message or told,
            model=about if about in names else None,
            gpu=_gpu(about) if about not in names else None,
            host=about if about in hosts else None,
        )


def _gpu(text: str) -> GpuId | None:
    try:
        return GpuId.parse(text)
    except ValueError:
        return None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
