"""Recording what a session reads: every snapshot becomes readings and events for the history's writer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Thread

from console.fleets import history_path, state_folder
from console.history.power import peak_watts
from console.history.starts import starts
from console.session import Session
from fleet.findings import Tense
from fleet.findings.assessment import Assessment
from fleet.history.reading import history
from fleet.history.values import Event, EventKind, Frame, Kind, Sample, Standing, Start, Subject
from fleet.history.writer import Writer, WriterThread, record
from fleet.inventory import Inventory
from fleet.live.load import Peaks
from fleet.model import GpuId, Model
from fleet.readings import HostSnapshot, Link, ServiceWord
from fleet.startup import ModelStart
from fleet.state import FleetState, ModelState
from fleet.state.joining import model_state
from fleet.text import clean

FINDINGS_SECONDS = 5
"""Between two looks at the findings of the whole fleet."""


def path_of(session: Session) -> Path:
    """The file the session's fleet has its history in."""
    return history_path(session.inventory, session.state_folder or state_folder())


class Recorder:
    """Follows what a session's watchers publish, for as long as it is open."""

    def __init__(self, session: Session, writer: Writer, *, clock: Callable[[], float] = time.time) -> None:
        """Begin to follow; ``clock`` gives Unix seconds. The writer is the caller's to flush."""
        self._session = session
        self._writer = writer
        self._clock = clock
        self._seen: dict[str, HostSnapshot] = {}
        self._told: dict[tuple[EventKind, str], str | None] = {}
        self._starts: dict[tuple[str, str], ModelStart] = {}
        """As last recorded, by model and run."""
        self._findings: Mapping[str, str] | None = None
        self._looked_at = 0
        self._assessed: Assessment | None = None
        self._inventory: Inventory | None = None
        self._at_home: dict[str, list[Model]] = {}
        self._unsubscribe = session.board.subscribe(self._take)

    def close(self) -> None:
        """Stop following."""
        self._unsubscribe()

    def _take(self, snapshot: HostSnapshot) -> None:
        at = int(self._clock())
        if abs(at - self._looked_at) >= FINDINGS_SECONDS or self._assessed is None:
            self._looked_at = at
            self._look(at)
        seen, self._seen[snapshot.host] = self._seen.get(snapshot.host), snapshot
        is_new = seen is None or snapshot.read_at != seen.read_at
        if seen is not None and not is_new and _tells_the_same(snapshot, seen):
            return
        models = self._models_of(snapshot)
        for event in events(at, snapshot, models):
            if self._told.get((event.kind, event.subject)) != event.value:
                self._told[event.kind, event.subject] = event.value
                self._writer.add(event)
        for start in self._new_starts(at, snapshot, models):
            self._writer.add(start)
        if snapshot.link is Link.LIVE and is_new:
            self._writer.add(Frame(at, tuple(samples(snapshot, models))))

    def _look(self, at: int) -> None:
        """Take in what is reckoned, and the findings once every host has said something."""
        self._assessed = self._session.now()
        links = [snapshot.link for snapshot in self._session.board.snapshots.values()]
        if Link.CONNECTING in links or len(links) < len(self._session.inventory.hosts):
            return
        standing = findings(at, self._session.state())
        if standing.findings != self._findings:
            self._findings = standing.findings
            self._writer.add(standing)

    def _models_of(self, snapshot: HostSnapshot) -> list[ModelState]:
        """The models that are at home on the snapshot's host; one without a place is on the first."""
        assert self._assessed is not None
        inventory = self._assessed.inventory
        if inventory is not self._inventory:
            self._inventory, self._at_home = inventory, {host.name: [] for host in inventory.hosts}
            for model in inventory.models:
                self._at_home[model.place.host if model.place else inventory.hosts[0].name].append(model)
        return [model_state(model, self._assessed, {snapshot.host: snapshot}) for model in self._at_home[snapshot.host]]

    def _new_starts(self, at: int, snapshot: HostSnapshot, models: Iterable[ModelState]) -> Iterator[Start]:
        """Starts that were read since the last look, or of which more is known than then."""
        for state in models:
            for read in (snapshot.starts.get(state.name), snapshot.failures.get(state.name)):
                if read is not None and self._starts.get((state.name, read.invocation)) != read:
                    self._starts[state.name, read.invocation] = read
                    yield from starts(at, state.model, read, snapshot.reading)


class LiveRecording:
    """A session being recorded in its own file, by a thread of its own."""

    def __init__(self, session: Session) -> None:
        """Begin."""
        self._writer = Writer(path_of(session))
        self._thread = WriterThread(self._writer)
        self._recorder = Recorder(session, self._writer)

    def add(self, event: Event) -> None:
        """Have something recorded beside what is read."""
        self._writer.add(event)

    @property
    def words(self) -> str:
        """What the operator should know of it, as a sentence; empty where all is well."""
        return self._writer.trouble or self._writer.notice

    def close(self) -> None:
        """Record what is still waiting, and end."""
        self._recorder.close()
        self._thread.close()


def recorded_peaks(path: Path, inventory: Inventory, *, hours: int = 24) -> Peaks:
    """The highest memory and power of each GPU and KV use of each model in the last hours. Raises GpudeckError."""
    until = time.time()
    since = until - hours * 3600
    with history(path) as past:

        def highest(subject: Subject, quantity: str) -> float:
            peak = past.peaks(subject, since, until, only=quantity).get(quantity)
            return peak.value if peak else 0.0

        used = {gpu: round(highest(Subject(Kind.GPU, str(gpu)), "used_bytes")) for gpu in inventory.gpu_ids}
        usage = {model.name: highest(Subject(Kind.MODEL, model.name), "kv_usage") for model in inventory.placed}
        return Peaks(hours, used, usage, peak_watts(past, inventory.gpu_ids, since, until))


def record_rollout(session: Session, models: Iterable[str], outcome: str, message: str) -> Thread:
    """Record how a rollout of these models ended, in a thread of its own; of trouble with the file nothing is heard."""
    said = clean(f"{outcome}: {message}" if message else outcome)
    at = int(time.time())
    events = (Event(at, EventKind.ROLLOUT, model, said) for model in dict.fromkeys(models))
    thread = Thread(target=record, args=(path_of(session), *events), name="history entry")
    thread.start()
    return thread


def events(at: int, snapshot: HostSnapshot, models: Iterable[ModelState]) -> Iterator[Event]:
    """What is so of a host and its models at that time; nothing before the host has answered or failed to."""
    if snapshot.link is Link.CONNECTING:
        return
    yield Event(at, EventKind.LINK, snapshot.host, str(snapshot.link))
    if snapshot.reading is None:
        return
    if snapshot.reading.boot_id:
        yield Event(at, EventKind.BOOT, snapshot.host, clean(snapshot.reading.boot_id, 64))
    for model in models:
        if _is_known(model.model, snapshot):
            yield Event(at, EventKind.STATE, model.name, str(model.word))
        place = model.model.place if model.model.enabled else None
        yield Event(at, EventKind.PLACE, model.name, str(place) if place else None)


def _tells_the_same(one: HostSnapshot, other: HostSnapshot) -> bool:
    """Whether two snapshots around one reading say the same of the host and its models."""
    told = "link", "services", "engines", "starts", "failures"
    return all(getattr(one, name) == getattr(other, name) for name in told)


def _is_known(model: Model, snapshot: HostSnapshot) -> bool:
    """Whether the model's state is its own: its host is there, and all who can tell of it were asked."""
    service = snapshot.services.get(model.name)
    answers = model.url is None or model.name in snapshot.engines
    return (
        snapshot.link.is_heard
        and (service is not None or model.service is None)
        and (answers or (service is not None and service.word is not ServiceWord.ACTIVE))
    )


def samples(snapshot: HostSnapshot, models: Iterable[ModelState]) -> Iterator[Sample]:
    """What is measured of a host's GPUs and of its models."""
    for gpu in snapshot.reading.gpus if snapshot.reading else ():
        who = gpu.identity
        name = str(GpuId(snapshot.host, who.hip_index))
        identity = f"{snapshot.host} {clean(who.pci or who.uuid or str(who.hip_index), 60)}" + (
            f" {who.partition}" if who.partition else ""
        )
        values = gpu.used_bytes, gpu.busy_percent, gpu.temperature_c, gpu.memory_temperature_c, gpu.power_w
        yield Sample(Subject(Kind.GPU, name), identity, values)
    for model in models:
        engine = model.engine
        if model.used_bytes or engine.kv_usage is not None:
            figures = (
                model.used_bytes,
                engine.kv_usage,
                engine.running,
                engine.waiting,
                engine.tokens_per_second,
                engine.requests_per_second,
                engine.ttft_p95_seconds,
            )
            yield Sample(Subject(Kind.MODEL, model.name), model.name, figures)


def findings(at: int, state: FleetState) -> Standing:
    """The findings of the running fleet; of several of one code about one subject, the first."""
    found: dict[str, str] = {}
    for finding in state.findings:
        if finding.tense is Tense.NOW:
            sentence = clean(f"{finding.severity}: {finding.headline or finding.message}")
            found.setdefault(f"{finding.code} {finding.subject}", sentence)
    return Standing(at, found)
