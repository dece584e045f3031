"""Hosts of the fleet file: their keys, and the `Host` an entry comes to."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from fleet.inventory import MOST_GPUS, Host, fields
from fleet.inventory.sections.entry import Entry, MayBeEmpty, Note, Price, text

Index = Annotated[int, text(fields.checked_index, "[0-9]+")]
Watts = Annotated[float, text(fields.checked_power)]


class HostEntry(Entry):
    """A machine reached over SSH."""

    address: Annotated[str | None, text(fields.checked_address)] = Field(
        default=None, description="what ssh takes, such as ops@gpu01"
    )
    accelerator: Annotated[str, text(fields.checked_accelerator)] = Field(
        description="the kind of its GPUs, such as MI300X"
    )
    gpus: Annotated[int, Field(ge=1, le=MOST_GPUS)] = Field(description="how many GPUs it has")
    become: Literal["sudo", "helper", "none"] = Field(
        default="sudo", description="how root is reached there: sudo, sudo with a helper that checks, or not at all"
    )
    production: bool = Field(default=False, description="whether it serves production: its GPUs carry the word PROD")
    power_cap: Watts | None = Field(
        default=None, description="what its GPUs may draw together, such as 5.5 kW; more is found wrong"
    )
    price_per_hour: Price | None = Field(
        default=None, description="what it costs whether it is used or not, in policy's currency"
    )
    notes: Annotated[dict[Index, Note], MayBeEmpty] = Field(
        default_factory=dict, description="notes for the screen, by the index of the GPU"
    )


def host(name: str, entry: HostEntry) -> Host:
    """The host of that name."""
    return Host(
        name=name,
        address=entry.address or "",
        accelerator_name=entry.accelerator,
        gpus=entry.gpus,
        become=entry.become,
        notes=MappingProxyType(entry.notes),
        production=entry.production,
        power_cap_watts=entry.power_cap,
        price_per_hour=entry.price_per_hour,
    )
