"""What every section of a fleet file is made of: entries, and the kinds of values under their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticKnownError

from fleet.inventory import fields
from fleet.inventory.codes import CODES
from fleet.text import clean
from fleet.units import parse_duration


class Entry(BaseModel):
    """A mapping of the fleet file: it has these keys and no others, each of its own type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def text(parse: Callable[[str], object], pattern: str | None = None) -> PlainValidator:
    """What ``parse`` makes of a text; a text of that pattern in the JSON schema."""

    def validate(value: object) -> object:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        return parse(value)

    anchored = pattern and f"^(?:{pattern})$"
    return PlainValidator(validate, json_schema_input_type=Annotated[str, Field(pattern=anchored)])


Name = Annotated[str, text(fields.checked_name, fields.NAME)]
"""Of a host or a model."""
Line = Annotated[str, text(fields.checked_line)]
Note = Annotated[str, text(clean)]
Command = Annotated[str, text(fields.checked_template)]
Code = Annotated[str, text(fields.checked_line, "|".join(CODES))]
"""Of a finding; that there is one is for `fleet.inventory.sections.findings` to say."""
Severity = Literal["error", "warning", "info"]
Span = Annotated[float, text(parse_duration)]
"""Seconds, written with their unit."""
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MayBeEmpty = BeforeValidator(lambda value: {} if value is None else value)
"""A mapping whose lines are all taken out or commented out."""

LineOrNone = Annotated[str | None, text(fields.checked_line)]
"""This and the next may be left out; where their key is given, it says something."""
CommandOrNone = Annotated[str | None, text(fields.checked_template)]
UrlOrNone = Annotated[str | None, text(fields.checked_url)]
ServiceOrNone = Annotated[str | None, text(fields.checked_service, fields.SERVICE)]
VariableOrNone = Annotated[str | None, text(fields.checked_variable, fields.VARIABLE)]
SizeOrNone = Annotated[int | None, PlainValidator(fields.checked_memory, json_schema_input_type=str)]
"""Bytes, written with their unit."""
