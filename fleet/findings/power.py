"""POL004: hosts whose GPUs draw more power than they may; and what power and machines cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.estimate.power import busy_watts
from fleet.findings import Finding, Severity
from fleet.findings.decoding import generates
from fleet.findings.placement import Placement
from fleet.inventory import Inventory
from fleet.model import GpuId, Model
from fleet.units import watts_text

_MONTH_HOURS = 730
_NOT_MEASURED: Mapping[GpuId, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Cost:
    """What hosts cost, in the fleet's currency."""

    per_hour: float
    currency: str = ""

    @property
    def per_month(self) -> float:
        """Of an average month."""
        return self.per_hour * _MONTH_HOURS

    def __str__(self) -> str:
        unit = f" {self.currency}" if self.currency else ""
        return f"{self.per_hour:,.2f}{unit} an hour, {self.per_month:,.0f}{unit} a month"


def gpu_watts(inventory: Inventory, measured: Mapping[GpuId, float] = _NOT_MEASURED) -> dict[GpuId, float]:
    """What each GPU draws under load: as measured where it was, else by its models."""
    on, found = _models_on(inventory), {}
    for host in inventory.hosts:
        for gpu in host.gpu_ids:
            models = on.get(gpu, [])
            writing = sum(map(generates, models))
            modelled = busy_watts(host.accelerator, writing=writing, computing=len(models) - writing)
            found[gpu] = measured.get(gpu, modelled)
    return found


def still_holds(measured: Mapping[GpuId, float], before: Inventory, after: Inventory) -> dict[GpuId, float]:
    """What was measured of the GPUs that have the same models afterwards."""
    if not measured or after is before:
        return dict(measured)
    then, now = _models_on(after), _models_on(before)
    return {gpu: watts for gpu, watts in measured.items() if then.get(gpu) == now.get(gpu)}


def _models_on(inventory: Inventory) -> dict[GpuId, list[Model]]:
    found: defaultdict[GpuId, list[Model]] = defaultdict(list)
    for model in inventory.placed:
        for gpu in model.place.gpu_ids if model.place else ():
            found[gpu].append(model)
    return found


def cost(inventory: Inventory, measured: Mapping[GpuId, float] = _NOT_MEASURED) -> Cost | None:
    """What the hosts of a fleet cost with what their GPUs draw; None where its file names no price.

    A host's other parts draw power too, and cooling does; their price belongs into the host's own.
    """
    policy = inventory.policy
    if policy.energy_price is None and all(host.price_per_hour is None for host in inventory.hosts):
        return None
    total = sum(host.price_per_hour or 0.0 for host in inventory.hosts)
    if policy.energy_price:
        total += sum(gpu_watts(inventory, measured).values()) / 1000 * policy.energy_price
    return Cost(total, policy.currency)


def find(placement: Placement) -> Iterator[Finding]:
    """Hosts with a power cap that the load of their models goes beyond."""
    capped = [host for host in placement.inventory.hosts if host.power_cap_watts is not None]
    drawn = gpu_watts(placement.inventory, placement.watts) if capped else {}
    for host in capped:
        watts = sum(drawn[gpu] for gpu in host.gpu_ids)
        if host.power_cap_watts is not None and watts > host.power_cap_watts:
            how = "measured" if all(gpu in placement.watts for gpu in host.gpu_ids) else "estimated"
            words = (
                f"its GPUs draw about {watts_text(watts)} under load, {how}, and may {watts_text(host.power_cap_watts)}"
            )
            numbers = {"watts": round(watts), "power_cap_watts": round(host.power_cap_watts)}
            yield placement.finding("POL004", Severity.WARNING, host, words, **numbers)
