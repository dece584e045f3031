"""The policy of the fleet file: its keys, bands and roles that cannot be, and the `Policy` it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from fleet.inventory import fields
from fleet.inventory.nodes import Plain, mapping
from fleet.inventory.policy import USUAL_SIZES, Goals, Policy, SizeClass
from fleet.inventory.problems import Complaint, did_you_mean
from fleet.inventory.sections.entry import Entry, Line, MayBeEmpty, Price, SizeOrNone, text
from fleet.windows import WINDOW, Window, Windows

Worth = Annotated[float, Field(ge=0, le=100)]


class SizeClassEntry(Entry):
    """The share of a GPU that models of a size are agreed to have."""

    below: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = Field(
        default=None, description="billions of parameters up to which it holds; without it, all that are larger"
    )
    low: Annotated[float, Field(gt=0, le=1)] = Field(description="the smallest share agreed on")
    high: Annotated[float, Field(gt=0, le=1)] = Field(description="the largest share agreed on")


class WindowsEntry(Entry):
    """When what runs may be changed: maintenance windows. Outside them, apply asks for --outside-window."""

    open: Annotated[list[Annotated[Window, text(Window.parse, WINDOW)]], Field(min_length=1)] = Field(
        description="days and hours, such as mon-thu 22:00-06:00 or sat,sun; hours may go on past midnight"
    )
    zone: Annotated[str, text(fields.checked_zone)] = Field(
        default="UTC", description="the time zone of those hours, such as Europe/Stockholm"
    )


class RebalanceEntry(Entry):
    """What a better placement is worth, in restarts of a usual model. Nothing left without a place comes first."""

    restart_of: Annotated[dict[Line, Worth], MayBeEmpty] = Field(
        default_factory=dict, description="what restarting a model of a role costs, such as chat: 3; else 1"
    )
    busy: Worth = Field(default=0.5, description="what restarting one costs more that serves ten requests or more")
    even: Worth = Field(default=0.0, description="that the fullest GPU is a tenth less full")
    free_gpu: Worth = Field(default=0.0, description="that a GPU is left empty: above 0, models are packed")
    reserve: Annotated[int, Field(ge=0)] = Field(
        default=0, description="GPUs to keep empty for trials; each counts as much as five restarts"
    )
    role_apart: Worth = Field(default=0.0, description="that two models of one role do not share a GPU")
    decode_apart: Worth = Field(default=0.0, description="that two models that write text do not share a GPU")


class PolicyEntry(Entry):
    """What the operators agreed on."""

    utilization: list[SizeClassEntry] = Field(default_factory=list, description="by size, ascending")
    headroom: SizeOrNone = Field(
        default=None, description="what every GPU in use keeps free at the high end of the estimates, such as 4 GiB"
    )
    redundancy: Annotated[dict[Line, Annotated[int, Field(ge=1)]], MayBeEmpty] = Field(
        default_factory=dict, description="how many models serve a role, such as chat: 2, on GPUs of their own"
    )
    currency: Line | None = Field(default=None, description="of all prices, such as EUR")
    energy_price: Price | None = Field(
        default=None, description="of a kilowatt hour, beside each host's price_per_hour"
    )
    windows: WindowsEntry | None = Field(default=None, description="when what runs may be changed; else at any time")
    rebalance: RebalanceEntry | None = Field(default=None, description="what a better placement is worth")


def policy(said: PolicyEntry | None) -> Policy:
    """What was agreed on; the usual where the file says nothing."""
    if said is None:
        return Policy()
    return Policy(
        sizes=tuple(SizeClass(each.below, each.low, each.high) for each in said.utilization) or USUAL_SIZES,
        headroom_bytes=said.headroom,
        redundancy=MappingProxyType(said.redundancy),
        energy_price=said.energy_price,
        currency=said.currency or "",
        windows=windows(said.windows),
        goals=_goals(said.rebalance) if said.rebalance else Goals(),
    )


def windows(said: WindowsEntry | None) -> Windows | None:
    """The maintenance windows; None where the file says nothing of them."""
    return Windows(tuple(said.open), said.zone) if said else None


def _goals(said: RebalanceEntry) -> Goals:
    return Goals(
        restart_of=MappingProxyType(said.restart_of),
        busy=said.busy,
        even=said.even,
        free_gpu=said.free_gpu,
        reserve=said.reserve,
        role_apart=said.role_apart,
        decode_apart=said.decode_apart,
    )


def complaints(file: Mapping[str, Plain]) -> Iterator[Complaint]:
    """Roles no model has, size classes that contradict each other."""
    said = mapping(file.get("policy"))
    rebalance = mapping(said.get("rebalance"))
    yield from unknown_roles(file, ("policy", "redundancy"), said.get("redundancy"))
    yield from unknown_roles(file, ("policy", "rebalance", "restart_of"), rebalance.get("restart_of"))
    yield from _size_classes(said.get("utilization"))


def unknown_roles(file: Mapping[str, Plain], keys: tuple[str, ...], said: Plain | None) -> Iterator[Complaint]:
    """Roles that stand under those keys and no model has: a slip of the pen would never be found."""
    models = mapping(file.get("models")).values()
    roles = dict.fromkeys(role for model in models if isinstance(role := mapping(model).get("role"), str))
    for role in mapping(said):
        if role not in roles:
            known = did_you_mean(role, roles) if roles else "no model has one."
            yield Complaint((*keys, role), f"no model has the role {role!r}; {known}", of_key=True)


def _size_classes(classes: Plain | None) -> Iterator[Complaint]:
    """Each class's band the right way round, the classes ascending, and only the last without an end."""
    below = 0.0
    for number, entry in enumerate(classes if isinstance(classes, list) else []):
        keys, size_class = ("policy", "utilization", str(number)), mapping(entry)
        low, high, end = (_number(size_class.get(key)) for key in ("low", "high", "below"))
        if low is not None and high is not None and low > high:
            yield Complaint((*keys, "low"), f"low of size class {number + 1} is above its high of {high:g}.")
        if below == float("inf"):
            yield Complaint(keys, f"size class {number + 1} is never reached; the one before it has no below:.")
        elif end is not None and end <= below:
            yield Complaint((*keys, "below"), f"below of size class {number + 1} must be above {below:g}.")
        below = float("inf") if "below" not in size_class else max(below, end or 0.0)


def _number(value: Plain | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
