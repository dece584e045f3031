"""Two models side by side: what is reckoned and read of each, their arguments with those that differ, their starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap
from typing import NamedTuple

from console.editing.form import value_text
from console.origins import LEGEND, MARKS
from fleet.arguments import arguments
from fleet.estimate import Estimate, GpuShare
from fleet.model import Scalar
from fleet.readings import EngineReading
from fleet.state import ModelState
from fleet.units import count, gib
from widgets.endpoint import seconds, speed
from widgets.paragraphs import paragraph
from widgets.rows import Row, Span, fit

DIFFERS = "≠"
"""Stands before what the two have differently."""
_NOTHING = "–"
_NAMES = 24
_PARTS = (
    ("weights", "weights_bytes", "weights"),
    ("KV cache", "kv_cache_bytes", "kv_cache"),
    ("activations", "activations_bytes", "activations"),
    ("graphs", "graphs_bytes", "graphs"),
    ("context", "context_bytes", "context"),
    ("total", "total_bytes", "total"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    model: ModelState
    defaults: Mapping[str, Scalar]
    """What its engine does where an argument is not given, by flag; None where nobody knows."""
    starts: Sequence[str] | None = None
    """Its newest starts in words; None before they are read."""


class _Line(NamedTuple):
    name: str
    left: str
    right: str
    differs: bool = False


def comparison_rows(left: Side, right: Side, cells: int) -> list[Row]:
    """Everything of both, in two columns of that many cells together."""
    rows: list[Row] = [*_columns("", left.model.name, right.model.name, cells, style="strong")]
    for title, told, lines in _sections(left, right):
        rows += [(), (Span(title, "accent"),), *paragraph(f"  {told}", cells, "dim", "  ")]
        for line in lines:
            rows += _columns(line.name, line.left, line.right, cells, differs=line.differs)
    return rows


def _columns(
    name: str, left: str, right: str, cells: int, *, differs: bool = False, style: str = "text"
) -> Iterator[Row]:
    """One line, in as many rows as its longer side takes."""
    width = (cells - _NAMES - 3) // 2
    style = "warning" if differs else style
    mark = f"{DIFFERS} " if differs else "  "
    for here, there in zip_longest(wrap(left, width), wrap(right, width), fillvalue=""):
        yield (
            Span(mark, style),
            Span(fit(name, _NAMES), "dim"),
            Span(fit(here, width), style),
            Span(" "),
            Span(fit(there, width), style),
        )
        mark, name = "  ", ""


def _sections(left: Side, right: Side) -> Iterator[tuple[str, str, list[_Line]]]:
    yield "Models", "", [_Line(name, a, b, a != b) for name, a, b in _both(_identity, left, right)]
    yield "Reckoned", f"GiB on the fullest of its GPUs   {LEGEND}", _told(_reckoned, left, right)
    yield "Read", "", _told(_read, left, right)
    yield (
        "Arguments",
        f"{DIFFERS} differ; in brackets what the engine takes where none is given",
        _arguments(left, right),
    )
    yield "Last starts", "", [_Line("", a, b) for a, b in zip_longest(_starts(left), _starts(right), fillvalue="")]


def _told(tell: Callable[[Side], dict[str, str]], left: Side, right: Side) -> list[_Line]:
    return [_Line(*each) for each in _both(tell, left, right)]


def _both(tell: Callable[[Side], dict[str, str]], left: Side, right: Side) -> Iterator[tuple[str, str, str]]:
    one, other = tell(left), tell(right)
    for name in dict.fromkeys((*one, *other)):
        yield name, one.get(name, _NOTHING), other.get(name, _NOTHING)


def _identity(side: Side) -> dict[str, str]:
    model = side.model.model
    return {
        "state": str(side.model.word),
        "source": model.source or _NOTHING,
        "engine": str(model.engine),
        "place": str(model.place) if model.place and model.enabled else _NOTHING,
        "role": model.role or _NOTHING,
    }


def _reckoned(side: Side) -> dict[str, str]:
    estimate = side.model.estimate
    if estimate is None:
        return {"": "disabled: nothing is reckoned"}
    share = max(estimate.shares, key=lambda share: share.total_bytes)
    found = {name: _part(share, key, origin) for name, key, origin in _PARTS}
    found["low to high"] = f"{gib(share.low_bytes)} to {gib(share.high_bytes)}"
    if len(estimate.shares) > 1:
        found["all its GPUs"] = f"{gib(side.model.estimate_bytes)} on {len(estimate.shares)}"
    return found | _cache(estimate)


def _part(share: GpuShare, key: str, origin: str) -> str:
    return f"{gib(getattr(share, key)):>6} {MARKS[getattr(share.origins, origin)]}"


def _cache(estimate: Estimate) -> dict[str, str]:
    found = {}
    if estimate.kv_cache_tokens is not None:
        found["KV tokens"] = f"{count(estimate.kv_cache_tokens)} {MARKS[estimate.cache_origin]}"
    if estimate.max_model_len:
        found["longest sequence"] = count(estimate.max_model_len)
    if estimate.max_concurrency is not None:
        found["at once"] = f"{estimate.max_concurrency:.2f} sequences of it"
    if estimate.refusal:
        found["would say"] = estimate.refusal.sentence
    return found


def _read(side: Side) -> dict[str, str]:
    used, reckoned, engine = side.model.used_bytes, side.model.estimate_bytes, side.model.engine
    found = {"memory": _NOTHING if used is None else f"{gib(used)} of {gib(reckoned)} GiB reckoned"}
    return found | {name: text(engine) or _NOTHING for name, text in _FIGURES.items()}


def _figure(name: str, text: Callable[[float], str]) -> Callable[[EngineReading], str]:
    def tell(engine: EngineReading) -> str:
        value = getattr(engine, name)
        return "" if value is None else text(value)

    return tell


_FIGURES = {
    "KV cache in use": _figure("kv_usage", lambda share: f"{100 * share:.0f} %"),
    "running": _figure("running", lambda number: count(int(number))),
    "waiting": _figure("waiting", lambda number: count(int(number))),
    "tokens/s": _figure("tokens_per_second", speed),
    "prompt tokens/s": _figure("prompt_tokens_per_second", speed),
    "requests/s": _figure("requests_per_second", speed),
    "first token p95": _figure("ttft_p95_seconds", seconds),
    "between tokens p95": _figure("inter_token_p95_seconds", seconds),
    "preemptions": _figure("preemptions", lambda number: count(int(number))),
}


def _arguments(left: Side, right: Side) -> list[_Line]:
    """Those that either has, and those that their engines take differently where neither has."""
    sides = (left, right)
    known = [argument.flag for side in sides for argument in arguments(side.model.model.engine.name)]
    given = [flag for side in sides for flag in side.model.model.args]
    lines = []
    for flag in dict.fromkeys((*known, *given)):
        one, other = (_Value.of(side, flag) for side in sides)
        differs = one.effective != other.effective
        if differs or flag in given:
            lines.append(_Line(flag, one.text, other.text, differs))
    return lines


class _Value(NamedTuple):
    effective: Scalar
    text: str

    @classmethod
    def of(cls, side: Side, flag: str) -> _Value:
        own, default = side.model.model.args.get(flag), side.defaults.get(flag)
        if own is not None:
            return cls(own, value_text(own))
        return cls(default, _NOTHING if default is None else f"({value_text(default)})")


def _starts(side: Side) -> list[str]:
    if side.starts is None:
        return ["reading what was recorded …"]
    return list(side.starts) or ["none was recorded"]
