"""How recorded figures, events and starts are told: the words of ``gpudeck history`` and of the detail screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fleet.history.values import Event, EventKind, Kind, Start
from fleet.model import Scalar
from fleet.services.arguments import same_value
from fleet.units import duration, gib
from widgets.sparkline import sparkline

if TYPE_CHECKING:
    from fleet.history.reading import Bucket, Peak


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _tenths(value: float) -> str:
    return f"{value:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


class Figure(NamedTuple):
    """How a quantity is shown."""

    quantity: str
    name: str
    unit: str
    text: Callable[[float], str]
    """A value without its unit."""
    top: float | None = None
    """What a full column means; None = the peak of what is shown."""


FIGURES: Mapping[Kind, tuple[Figure, ...]] = {
    Kind.GPU: (
        Figure("used_bytes", "memory", "GiB", gib),
        Figure("busy_percent", "busy", "%", _whole, 100),
        Figure("temperature_c", "junction", "°C", _whole, 100),
        Figure("memory_temperature_c", "HBM", "°C", _whole, 100),
        Figure("power_w", "power", "W", _whole),
    ),
    Kind.MODEL: (
        Figure("kv_usage", "KV cache", "%", _percent, 1),
        Figure("used_bytes", "memory", "GiB", gib),
        Figure("running", "running", "", _whole),
        Figure("waiting", "waiting", "", _whole),
        Figure("tokens_per_second", "tokens", "/s", _whole),
        Figure("requests_per_second", "requests", "/s", _tenths),
        Figure("ttft_p95_seconds", "TTFT p95", "s", _tenths),
    ),
}
"""In the order they are shown; the first is what a line of the overview draws."""

Series = Sequence["Bucket | None"]


def drawn(figure: Figure, series: Series) -> str:
    """The series as a sparkline."""
    peaks = [bucket.peak if bucket else None for bucket in series]
    return sparkline(peaks, figure.top or max((peak for peak in peaks if peak is not None), default=0))


def summed_up(figure: Figure, series: Series, peaks: Mapping[str, Peak]) -> str:
    """Newest mean, mean of all and peak in words; empty where nothing was read.

    ``peaks`` are those of the same time, and say when within a column theirs was.
    """
    read = [bucket for bucket in series if bucket]
    best = peaks.get(figure.quantity)
    if not read or best is None:
        return ""
    mean = sum(bucket.mean for bucket in read) / len(read)
    unit = f" {figure.unit}" if figure.unit else ""
    peak = f"peak {figure.text(best.value):>5}{unit} at {clock(best.at)}"
    return f"now {figure.text(read[-1].mean):>5}  {peak:<31}  mean {figure.text(mean):>5}"


def clock(at: float) -> str:
    """A time as people here say it, to the minute."""
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M")


def clock_text(at: float) -> str:
    """The same to the second."""
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M:%S")


def event_line(event: Event) -> str:
    """An event in one line."""
    return f"{clock_text(event.at)}  {event_words(event)}"


def is_news(event: Event) -> bool:
    """Whether something changed; what is so when it is first looked at did not."""
    return event.before is not None or event.kind in (EventKind.FINDING, EventKind.ROLLOUT, EventKind.ALERT)


def event_words(event: Event) -> str:
    """What became so, and what it was before."""
    was = f", was {event.before}" if event.before else ""
    match event.kind:
        case EventKind.BOOT:
            return f"{event.subject} was restarted" if event.before else f"{event.subject} was first read"
        case EventKind.PLACE:
            return f"{event.subject} is {f'placed on {event.value}' if event.value else 'disabled'}{was}"
        case EventKind.FINDING:
            return f"{event.subject} {event.value or 'is over'}"
        case EventKind.ALERT:
            return f"alert {event.subject} {event.value or 'is over'}"
        case EventKind.ROLLOUT:
            return f"{event.subject} rollout {event.value}"
        case _:
            return f"{event.subject} is {event.value}{was}"


def run_words(starts: Sequence[Start], until: float, most: int, present: Mapping[str, Scalar]) -> list[str]:
    """Of starts, oldest first, the newest up to a time, each run once: how it ended and how long that took.

    Of a start that had other arguments than the present ones, those it had.
    """
    found: dict[str, str] = {}
    for start in reversed(starts):
        if start.at > until:
            continue
        took = f" in {duration(start.seconds)}" if start.seconds is not None else ""
        words = f"{clock(start.at)} {start.outcome}{took}, {start.build}"
        words += ", ".join(["", *_otherwise(start.given, present)])
        words += "" if start.alone else ", not alone"
        found.setdefault(start.run, words + (f": {start.sentence}" if start.sentence else ""))
    return list(found.values())[:most]


def _otherwise(given: Mapping[str, Scalar], present: Mapping[str, Scalar]) -> Iterator[str]:
    """What a start was given where the present arguments say something else; nothing where that was not kept."""
    for flag, value in present.items() if given else ():
        had = given.get(flag)
        if not same_value(value, had) and (value or had):
            yield f"no {flag}" if had is None else f"{flag} {had}"


def start_lines(start: Start) -> list[str]:
    """A start: how it ended, and every part as reckoned and as it came."""
    took = f" in {duration(start.seconds)}" if start.seconds is not None else ""
    lines = [f"{clock(start.at)}  {start.gpu}  {start.build}  {start.outcome}{took}  arguments {start.arguments}"]
    if start.sentence:
        lines.append(f"    {start.sentence}")
    if not start.alone:
        lines.append("    It was not alone on the GPU while it measured.")
    for part in dict.fromkeys((*start.predicted, *start.measured)):
        reckoned, came = (
            "–" if size is None else gib(size) for size in (start.predicted.get(part), start.measured.get(part))
        )
        lines.append(f"    {part.replace('_', ' '):<12} reckoned {reckoned:>6}  measured {came:>6} GiB")
    return lines
