"""The filter language of the deck: ``role=chat & est>90 | !healthy``.

A term is a field alone (true or false), or a field, an operator and a value; terms are joined by ``&`` and ``|``
(``&`` binds closer), negated by ``!`` and grouped by parentheses. Sizes are GiB. A word that is no field matches names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleet.errors import UsageError
from fleet.state import FleetState, GpuState, ModelState, ModelWord
from fleet.units import GiB

Subject = tuple[GpuState, ModelState | None]
"""A model on a GPU; the GPU alone where it holds no model."""
Predicate = Callable[[Subject], bool]
Value = str | float | bool | None

MOST_CHARACTERS = 512


class FilterError(UsageError):
    """A filter that cannot be read: what is wrong, and in which column (from 1)."""

    title = "Filter"

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.column = column


def _model(read: Callable[[ModelState], Value]) -> Callable[[Subject], Value]:
    return lambda subject: read(subject[1]) if subject[1] is not None else None


def _gpu(read: Callable[[GpuState], Value]) -> Callable[[Subject], Value]:
    return lambda subject: read(subject[0])


def _gib(size: int | None) -> float | None:
    return None if size is None else size / GiB


FIELDS: Mapping[str, Callable[[Subject], Value]] = {
    "model": _model(lambda model: model.name),
    "role": _model(lambda model: model.model.role),
    "engine": _model(lambda model: str(model.model.engine)),
    "state": _model(lambda model: str(model.word)),
    "healthy": _model(lambda model: model.word is ModelWord.SERVING),
    "kv": _model(lambda model: None if model.engine.kv_usage is None else 100 * model.engine.kv_usage),
    "waiting": _model(lambda model: model.engine.waiting),
    "running": _model(lambda model: model.engine.running),
    "host": _gpu(lambda gpu: gpu.gpu.host),
    "gpu": _gpu(lambda gpu: str(gpu.gpu)),
    "pci": _gpu(lambda gpu: gpu.pci),
    "accelerator": _gpu(lambda gpu: gpu.accelerator),
    "est": _gpu(lambda gpu: _gib(gpu.outlook.peak_bytes)),
    "live": _gpu(lambda gpu: _gib(gpu.used_bytes)),
    "free": _gpu(lambda gpu: None if gpu.used_bytes is None else _gib(gpu.total_bytes - gpu.used_bytes)),
    "other": _gpu(lambda gpu: _gib(gpu.other_bytes)),
    "temp": _gpu(lambda gpu: gpu.reading.temperature_c if gpu.reading else None),
    "power": _gpu(lambda gpu: gpu.reading.power_w if gpu.reading else None),
}
"""What can be asked of a model on a GPU. None = not known, which no comparison matches."""


@dataclass(frozen=True, slots=True)
class Matches:
    """How many a filter leaves in."""

    models: int
    of_models: int
    """That are on GPUs."""
    empty_gpus: int
    """GPUs without models that it leaves in."""

    @property
    def is_any(self) -> bool:
        """Whether anything is left."""
        return bool(self.models or self.empty_gpus)

    def __str__(self) -> str:
        if not self.is_any:
            return "matches nothing"
        models = f"{self.models} of {self.of_models} models" if self.models else ""
        empty = f"{self.empty_gpus} empty GPU{'s' if self.empty_gpus > 1 else ''}" if self.empty_gpus else ""
        return f"({', '.join(filter(None, (models, empty)))})"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was typed, and what it leaves in."""

    text: str
    wants: Predicate

    @classmethod
    def read(cls, text: str) -> Filter | None:
        """The filter of that text; None of none. Raises FilterError."""
        return cls(text.strip(), parse(text)) if text.strip() else None

    def matches(self, state: FleetState) -> Matches:
        """How much of a fleet it leaves in; a model on several GPUs is one."""
        on_gpus = [(gpu, model) for gpu in state.gpus for model in gpu.models]
        wanted = {model.name for gpu, model in on_gpus if self.wants((gpu, model))}
        empty = sum(not gpu.models and self.wants((gpu, None)) for gpu in state.gpus)
        return Matches(len(wanted), len({model.name for _, model in on_gpus}), empty)


_TOKEN = re.compile(r"\s*(?:(?P<op><=|>=|!=|=|~|<|>)|(?P<sign>[&|!()])|(?P<word>[^\s&|!()=<>~]+))")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """``op``, ``sign``, ``word`` or ``end``."""
    text: str
    column: int


def parse(text: str) -> Predicate:
    """The filter as a function of a subject. Raises FilterError with a column."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"A filter has at most {MOST_CHARACTERS} characters", MOST_CHARACTERS + 1)
    parser = _Parser(_tokens(text))
    found = parser.either()
    parser.end()
    return found


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FilterError(f"{text[position:].strip()[0]!r} means nothing here", position + 1)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        position = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _is_sign(self, sign: str) -> bool:
        return self._next.kind == "sign" and self._next.text == sign

    def end(self) -> None:
        """Refuse what is left over."""
        if self._next.kind != "end":
            raise FilterError(f"{self._next.text!r} is not expected here; join terms with & or |", self._next.column)

    def either(self) -> Predicate:
        """Terms joined by ``|``."""
        terms = [self._both()]
        while self._is_sign("|"):
            self._take()
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else lambda subject: any(term(subject) for term in terms)

    def _both(self) -> Predicate:
        terms = [self._term()]
        while self._is_sign("&"):
            self._take()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else lambda subject: all(term(subject) for term in terms)

    def _term(self) -> Predicate:
        if self._is_sign("!"):
            self._take()
            negated = self._term()
            return lambda subject: not negated(subject)
        if self._is_sign("("):
            opened = self._take()
            inner = self.either()
            if not self._is_sign(")"):
                raise FilterError("This parenthesis is never closed", opened.column)
            self._take()
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        word = self._take()
        if word.kind != "word":
            raise FilterError("A field or a name is expected here", word.column)
        if self._next.kind != "op":
            return _flag(word.text) if word.text in FIELDS else _named(word.text)
        operator = self._take()
        if word.text not in FIELDS:
            known = ", ".join(FIELDS)
            raise FilterError(f"There is no field {word.text!r}; there are {known}", word.column)
        value = self._take()
        if value.kind != "word":
            raise FilterError(f"A value is expected after {operator.text}", value.column)
        return _compared(word.text, operator, value)


def _flag(field: str) -> Predicate:
    read = FIELDS[field]
    return lambda subject: bool(read(subject))


def _named(part: str) -> Predicate:
    wanted = part.lower()

    def matches(subject: Subject) -> bool:
        gpu, model = subject
        return (model is not None and wanted in model.name.lower()) or wanted == str(gpu.gpu).lower()

    return matches


def _compared(field: str, operator: _Token, value: _Token) -> Predicate:
    read = FIELDS[field]
    match operator.text:
        case "=" | "!=":
            return _equal(read, value.text, operator.text == "=")
        case "~":
            return lambda subject: value.text.lower() in str(read(subject) or "").lower()
        case _:
            try:
                number = float(value.text)
            except ValueError:
                raise FilterError(
                    f"{operator.text} compares numbers, and {value.text!r} is none", value.column
                ) from None
            return _ordered(read, operator.text, number)


def _equal(read: Callable[[Subject], Value], wanted: str, positive: bool) -> Predicate:
    def matches(subject: Subject) -> bool:
        found = read(subject)
        if found is None:
            return False
        if isinstance(found, bool):
            same = wanted.lower() in (("true", "yes") if found else ("false", "no"))
        elif isinstance(found, int | float):
            same = wanted.replace(".", "", 1).isdigit() and abs(found - float(wanted)) < 0.05
        else:
            same = found.lower() == wanted.lower()
        return same == positive

    return matches


def _ordered(read: Callable[[Subject], Value], operator: str, number: float) -> Predicate:
    compare: Callable[[float], bool] = {
        "<": lambda found: found < number,
        ">": lambda found: found > number,
        "<=": lambda found: found <= number,
        ">=": lambda found: found >= number,
    }[operator]

    def matches(subject: Subject) -> bool:
        found = read(subject)
        return isinstance(found, int | float) and not isinstance(found, bool) and compare(float(found))

    return matches
