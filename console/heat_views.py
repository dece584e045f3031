"""From the fleet's state and what is asked of it to the cells of a heat map. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from console.filter import Predicate
from fleet.model import GpuId
from fleet.state import FleetState, GpuState, HostState
from widgets.heat import LEFT_OUT, Quantity
from widgets.heat_map import HeatCell, HeatHost
from widgets.links import LINK_SIGNS


def heat_hosts(
    state: FleetState, quantity: Quantity, wanted: Predicate | None, order: Sequence[str] = ()
) -> list[HeatHost]:
    """Every host in the fleet file's order, or in that order of names."""
    hosts = [HeatHost(h.name, h.link, h.age_seconds, _cells(h, quantity, wanted)) for h in state.hosts]
    if not order:
        return hosts
    rank = {name: number for number, name in enumerate(order)}
    return sorted(hosts, key=lambda host: rank.get(host.name, len(rank)))


def worst_hosts(state: FleetState, quantity: Quantity) -> list[str]:
    """Names of hosts, those that cannot be read first, then by their worst GPU."""

    def badness(host: HostState) -> tuple[bool, float]:
        return not host.link.is_fresh, max(quantity.badness(quantity.read(gpu)) for gpu in host.gpus)

    return [host.name for host in sorted(state.hosts, key=badness, reverse=True)]


def worst_gpus(state: FleetState, quantity: Quantity, wanted: Predicate | None) -> list[GpuId]:
    """GPUs that the filter does not leave out and that were read, the worst first."""
    found = [
        (quantity.badness(heat), gpu.gpu)
        for host in state.hosts
        if host.link.is_fresh
        for gpu in host.gpus
        if is_wanted(gpu, wanted) and (heat := quantity.read(gpu)) is not None
    ]
    return [gpu for _, gpu in sorted(found, key=lambda each: -each[0])]


def is_wanted(gpu: GpuState, wanted: Predicate | None) -> bool:
    """Whether a filter leaves something of a GPU."""
    if wanted is None:
        return True
    return any(wanted((gpu, model)) for model in gpu.models) if gpu.models else wanted((gpu, None))


def _cells(host: HostState, quantity: Quantity, wanted: Predicate | None) -> tuple[HeatCell, ...]:
    cells = []
    for gpu in host.gpus:
        if not is_wanted(gpu, wanted):
            cells.append(HeatCell(gpu.gpu, LEFT_OUT, LEFT_OUT, "free"))
            continue
        heat = quantity.read(gpu)
        if host.link.is_fresh:
            cells.append(HeatCell(gpu.gpu, quantity.glyph(heat), heat.text if heat else "–", quantity.style(heat)))
        else:
            cells.append(HeatCell(gpu.gpu, LINK_SIGNS[host.link], heat.text if heat else "–", "dim"))
    return tuple(cells)
