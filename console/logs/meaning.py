"""What a line of a log means: how bad it is, and what it says of memory, in an operator's words."""

from __future__ import annotations

import re

from console.logs.kept import Line
from fleet.calibration.dialect import Begin
from fleet.calibration.line import Said, said
from fleet.secrets import masked
from fleet.startup import Ending
from fleet.text import clean_lines
from fleet.units import gib_text

CHARACTERS = 1000
"""What is kept of one line."""

_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b")
_LEVELS = {"WARN": "warning", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error", "FATAL": "error"}
_ERROR = re.compile(
    r"\b(?:error|exception|traceback|refused|failed|failure|fatal|panic|killed|aborted|segfault)\b"
    r"|\w(?:Error|Exception)\b|out of memory",
    re.IGNORECASE,
)
_WARNING = re.compile(r"\bwarning\b", re.IGNORECASE)
_PREFIX_CHARACTERS = 120
"""Where a logger's level is looked for; further on it may be a word of what is said."""

_SIZES = {
    "weights": "weights in memory",
    "activations": "peak of the profile run",
    "non_torch": "beside the tensors",
    "graphs": "captured graphs",
    "cache": "KV cache",
    "peak": "weights and the profile run's peak",
    "consumed": "weights and beside the tensors",
}
_OTHERS = {
    "blocks": "KV cache of {} blocks",
    "tokens": "KV cache holds {} tokens",
    "concurrency": "{} sequences of the longest at once",
    "planned": "cache as an earlier start planned it",
    "plan": "the next start takes this cache",
}
_BEGINS = {
    Begin.SERVICE: "a start begins",
    Begin.SERVER: "the server begins",
    Begin.ENGINE: "an engine begins",
}
_ENDINGS = {
    Ending.STARTED: "it serves from here on",
    Ending.REFUSED: "refusal: it does not start with this",
    Ending.OOM: "refusal: the GPU has no more memory",
}
_MORE = (
    (re.compile(r"preempt", re.IGNORECASE), "KV cache full: a request begins anew"),
    (re.compile(r"Starting to load model"), "weights are being read"),
    (re.compile(r"Captur\w+ .{0,40}graph"), "graphs are being captured"),
    (re.compile(r"evict", re.IGNORECASE), "something gives up its memory"),
)


def line_of(engine: str, text: str) -> Line:
    """A line as a host printed it, made harmless, its secrets masked; with its level and what it says of memory."""
    shown = masked("".join(clean_lines(text, CHARACTERS, 1)))
    told = said(engine, shown)
    refused = told is not None and told.ending in (Ending.REFUSED, Ending.OOM)
    return Line(shown, "error" if refused else level(shown), remark(told, shown))


def level(text: str) -> str:
    """``error``, ``warning`` or nothing: as its logger says, or where none does, by its words."""
    logged = _LEVEL.search(text, 0, _PREFIX_CHARACTERS)
    if logged:
        return _LEVELS.get(logged[1], "")
    return "error" if _ERROR.search(text) else "warning" if _WARNING.search(text) else ""


def remark(told: Said | None, text: str) -> str:
    """What a line says of memory; empty where it says nothing of it."""
    if told is None:
        return next((words for pattern, words in _MORE if pattern.search(text)), "")
    if told.ending:
        return _ENDINGS.get(told.ending, "")
    words = [f"{_SIZES[name]}: {gib_text(size)}" for name, size in told.sizes.items()]
    words += [template.format(told.others[name]) for name, template in _OTHERS.items() if name in told.others]
    words += [_BEGINS[told.begins]] if told.begins else []
    return "; ".join(words)
