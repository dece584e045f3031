"""What the fleet file says about findings: its keys, codes there are not, and the `Preferences` it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from fleet.inventory import Preferences
from fleet.inventory.codes import CODES, no_such_code
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.problems import Complaint
from fleet.inventory.sections.entry import Code, Entry, MayBeEmpty, Severity


class FindingsEntry(Entry):
    """What the operators say about findings."""

    ignore: list[Code] = Field(default_factory=list, description="codes that do not count in this fleet")
    severity: Annotated[dict[Code, Severity], MayBeEmpty] = Field(
        default_factory=dict, description="how bad a code is here, where that is not as usual"
    )


def preferences(said: FindingsEntry | None) -> Preferences:
    """What counts and how much; the usual where the file says nothing."""
    return Preferences(tuple(said.ignore), tuple(said.severity.items())) if said else Preferences()


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Codes there are no findings of, under ``findings:`` and every model's ``ignore:``."""
    said = mapping(file.get("findings"))
    ignored = said.get("ignore")
    for number, code in enumerate(ignored if isinstance(ignored, list) else []):
        yield from _unknown(("findings", "ignore", str(number)), code)
    for code in mapping(said.get("severity")):
        yield from _unknown(("findings", "severity", code), code)
    for name, model in mapping(file.get("models")).items():
        for code in mapping(mapping(model).get("ignore")):
            yield from _unknown(("models", name, "ignore", code), code)


def _unknown(keys: tuple[str, ...], code: Plain) -> Iterator[Complaint]:
    if isinstance(code, str) and code not in CODES:
        yield Complaint(keys, no_such_code(code), of_key=True)
