"""How GPUs reach each other, in words."""

from __future__ import annotations

from itertools import combinations

from fleet.model import Model
from fleet.readings import GpuLink, GpuReading, HostReading, LinkKind
from fleet.units import GB


def link_facts(gpu: GpuReading, host: HostReading) -> list[tuple[str, str]]:
    """The others that a GPU reaches, by how: pairs of a name and words; none where the driver names no link."""
    index = {other.identity.pci: other.identity.hip_index for other in host.gpus}
    ways: dict[str, list[int]] = {}
    for link in gpu.links:
        if link.to in index:
            ways.setdefault(link_words(link), []).append(index[link.to])
    return [("link to HIP", f"{', '.join(map(str, sorted(there)))}: {way}") for way, there in ways.items()]


def link_words(link: GpuLink) -> str:
    """``xGMI, 1 hop, 50 GB/s each way, weight 15``."""
    words = [str(link.kind)]
    if link.hops:
        words.append(f"{link.hops} {'hop' if link.hops == 1 else 'hops'}")
    if link.bytes_per_second:
        words.append(f"{link.bytes_per_second / GB:.0f} GB/s each way")
    return ", ".join([*words, f"weight {link.weight}"])


def model_path(model: Model, host: HostReading | None) -> str:
    """How the GPUs of a model over several reach each other: the pair that is worst off, and whether all are alike.

    Empty for other models, and where the driver names no links.
    """
    if host is None or model.place is None or len(model.place.gpus) < 2:
        return ""
    gpus = {index: gpu for index in model.place.gpus if (gpu := host.gpu(index))}
    if not any(gpu.links for gpu in gpus.values()):
        return ""
    pairs = {(one, other): _link(gpus[one], gpus[other]) for one, other in combinations(gpus, 2)}
    (one, other), worst = max(pairs.items(), key=lambda pair: _distance(pair[1]))
    how = link_words(worst) if worst else "no link that the driver names"
    if len({_distance(link) for link in pairs.values()}) == 1:
        return f"its GPUs reach each other by {how}"
    return f"its GPUs {one} and {other} are the furthest apart: {how}"


def _link(one: GpuReading, other: GpuReading) -> GpuLink | None:
    return next((link for link in one.links if link.to == other.identity.pci), None)


def _distance(link: GpuLink | None) -> tuple[bool, bool, int]:
    """No link is further than any, PCIe further than xGMI, and then the driver's weight counts."""
    return (True, True, 0) if link is None else (False, link.kind is LinkKind.PCIE, link.weight)
