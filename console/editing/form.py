"""A model's arguments as an operator fills them in: what is typed, what it means, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fleet.arguments import Argument, Kind, argument, arguments
from fleet.inventory.changes import SetArgument
from fleet.inventory.scalars import resolved
from fleet.model import Model, Scalar

MORE = Argument("", Kind.TEXT, "any other argument of the engine, such as: block-size 32")
"""The last row, in which arguments are added: one, or several as on a command line."""


@dataclass(frozen=True, slots=True)
class Field:
    """One argument of the form."""

    argument: Argument
    own: Scalar
    """As the draft has it; None where it is not given."""
    text: str
    """As typed; empty takes the argument away."""
    engine: str = ""
    """Whose argument it is."""

    @property
    def flag(self) -> str:
        """The engine's own flag; empty for the row that adds one."""
        return self.argument.flag

    @property
    def is_changed(self) -> bool:
        """Whether something else is typed than what the draft has."""
        return self.text.strip() != value_text(self.own)

    @property
    def problem(self) -> str:
        """What is wrong with what is typed, as a sentence; empty where nothing is, and where nothing is changed."""
        if not self.is_changed:
            return ""
        try:
            self._parsed()
        except ValueError as error:
            return str(error)
        return ""

    @property
    def changes(self) -> tuple[tuple[str, Scalar], ...]:
        """Flags and the values they are to have; none where nothing is changed, or what is typed is wrong."""
        if not self.is_changed or self.problem:
            return ()
        return self._parsed()

    def _parsed(self) -> tuple[tuple[str, Scalar], ...]:
        text = self.text.strip()
        if self.argument is MORE:
            return tuple(_added(self.engine, part) for part in re.split(r"\s+(?=--[A-Za-z0-9])", text))
        if not text:
            return ((self.flag, None),)
        if self.argument.kind is Kind.TEXT and not isinstance(self.own, str):
            return ((self.flag, resolved(text)),)
        return ((self.flag, self.argument.parse(text)),)


@dataclass(frozen=True, slots=True)
class Form:
    """The arguments of one model: those that decide memory, then its others, then room for one more."""

    model: Model
    fields: tuple[Field, ...]

    def typed(self, index: int, text: str) -> Form:
        """The form with that text in one field."""
        fields = (*self.fields[:index], replace(self.fields[index], text=text), *self.fields[index + 1 :])
        return replace(self, fields=fields)

    @property
    def changes(self) -> tuple[SetArgument, ...]:
        """What is typed, as changes of the draft; fields that are wrong are left out."""
        found = (change for field in self.fields for change in field.changes)
        return tuple(SetArgument(self.model.name, *change) for change in found)

    @property
    def wrong(self) -> int | None:
        """The first field that is wrong; None where none is."""
        return next((index for index, field in enumerate(self.fields) if field.problem), None)


def form(model: Model) -> Form:
    """The form of a model with its own values filled in."""
    engine = model.engine.name
    flags = dict.fromkeys((*(known.flag for known in arguments(engine)), *model.args))
    fields = [Field(argument(engine, flag), model.args.get(flag), value_text(model.args.get(flag))) for flag in flags]
    return Form(model, (*fields, Field(MORE, None, "", engine)))


def value_text(value: Scalar) -> str:
    """A value as it is typed; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _added(engine: str, text: str) -> tuple[str, Scalar]:
    """One argument as on a command line; of those that are known, the value is held to what it may be."""
    match = re.fullmatch(r"-{0,2}([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?:[ =]+(.+))?", text)
    if match is None:
        raise ValueError(f"{text!r} is not an argument; write its flag and its value, such as block-size 32")
    known = argument(engine, match[1])
    if known.kind is not Kind.TEXT and (match[2] or known.kind is not Kind.SWITCH):
        return match[1], known.parse(match[2] or "")
    value = resolved(match[2].strip()) if match[2] else True
    if value is None:
        raise ValueError(f"{match[1]} has no value; write one behind it, or nothing where it is a switch")
    return match[1], value
