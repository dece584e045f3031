"""The first line of a screen: the fleet in one row."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.findings import Severity
from fleet.readings import Link
from fleet.state import FleetState, ModelWord
from fleet.units import TiB, duration
from widgets.findings_list import SIGNS
from widgets.links import LINK_STYLES
from widgets.rows import Row, Rows, Span, ends, width


def header_row(state: FleetState, cells: int, *, clock: str, mode: str = "", past: str = "") -> Row:
    """The fleet's name, its hosts' links, counts and sums; what fits, the most important first.

    ``mode`` says what may be done here, where that is not all, and ``past`` of which time all that is, where it is not
    the present; neither is ever left out.
    """
    right: list[Span] = []
    for severity in (Severity.ERROR, Severity.WARNING):
        sign, style = SIGNS[severity]
        number = sum(finding.severity is severity for finding in state.findings)
        right.append(Span(f"{sign} {number}  ", style if number else "dim"))
    right.append(Span(clock + " ", "dim"))
    left: list[Span] = [Span(" gpudeck", "accent"), Span("  " + state.fleet, "strong")]
    if past:
        when = (Span(f"  {past} ", "warning"), *_word(mode))
        left = [*left, *when] if width((*left, *when, *right)) <= cells else [*when]
        right = right if width((*left, *right)) <= cells else right[-1:]
    else:
        left += _word(mode)
    for piece in (_hosts(state), _gpus(state), _models(state), _sums(state)):
        if width((*left, *piece, *right)) + 2 <= cells:
            left += piece
    return ends(tuple(left), tuple(right), cells)


def _word(mode: str) -> tuple[Span, ...]:
    return (Span("  " + mode, "warning"),) if mode else ()


def _hosts(state: FleetState) -> list[Span]:
    if len(state.hosts) == 1:
        host = state.hosts[0]
        late = host.link in (Link.STALE, Link.LOST) and host.age_seconds is not None
        age = f" {duration(host.age_seconds or 0)}" if late else ""
        return [
            Span(f"   {host.name} "),
            *((Span("PROD", "production"), Span(" ")) if host.production else ()),
            Span(f"{host.link}{age}", LINK_STYLES[host.link]),
        ]
    live = sum(host.link is Link.LIVE for host in state.hosts)
    style = "good" if live == len(state.hosts) else "error"
    spans = [Span(f"   {live} of {len(state.hosts)} hosts live", style)]
    production = sum(host.production for host in state.hosts)
    return [*spans, Span("   "), Span(f"{production} PROD", "production")] if production else spans


def _gpus(state: FleetState) -> list[Span]:
    return [Span(f"   {len(state.gpus)} GPUs")]


def _models(state: FleetState) -> list[Span]:
    serving = sum(model.word is ModelWord.SERVING for model in state.models)
    down = sum(model.word in (ModelWord.FAILED, ModelWord.STOPPED) and model.model.enabled for model in state.models)
    waiting = sum(model.engine.waiting or 0 for model in state.models if model.word is not ModelWord.UNKNOWN)
    spans = [Span(f"   {serving} serving  "), Span(f"{down} down", "error" if down else "dim")]
    return [*spans, Span(f"   waiting {waiting}")] if waiting else spans


def _sums(state: FleetState) -> list[Span]:
    total = sum(gpu.total_bytes for gpu in state.gpus)
    reckoned = sum(gpu.outlook.peak_bytes for gpu in state.gpus)
    live = [gpu.used_bytes for gpu in state.gpus if gpu.used_bytes is not None]
    measured = f"  live {sum(live) / TiB:.2f}" if live else ""
    return [Span(f"   est {reckoned / TiB:.2f}{measured} of {total / TiB:.2f} TiB", "dim")]


class Header(Rows):
    """One row about the whole fleet."""

    DEFAULT_CSS = "Header { height: 1; dock: top; }"

    def __init__(self, mode: str = "") -> None:
        """``mode`` is a word on what may be done here, where that is not all."""
        super().__init__()
        self._mode = mode
        self._clock = ""
        self._past = ""
        self._state: FleetState | None = None

    def show(self, state: FleetState, clock: str, past: str = "") -> None:
        """Show the fleet at that time of day, or at the time of its past that the words say."""
        self._state, self._clock, self._past = state, clock, past
        self.redraw()

    def compose_rows(self, width: int, height: int) -> Sequence[Row]:
        """One row."""
        if self._state is None:
            return [(Span(" gpudeck", "accent"), *_word(self._mode))]
        return [header_row(self._state, width, clock=self._clock, mode=self._mode, past=self._past)]
