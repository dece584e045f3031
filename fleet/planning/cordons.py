"""Nothing new on a cordoned GPU, and which GPUs a name means."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.model import GpuId, Model, Place
from fleet.readings import Cordon, HostSnapshot


def gpus_named(inventory: Inventory, text: str) -> tuple[GpuId, ...]:
    """The GPUs meant by ``HOST/GPU``, ``HOST/GPUS`` or ``HOST``. Raises UsageError where there are none such."""
    name, slash, _ = text.partition("/")
    host = next((host for host in inventory.hosts if host.name == name), None)
    if host is None:
        raise UsageError(
            f"There is no host {name!r} in this fleet.", f"It has {', '.join(host.name for host in inventory.hosts)}."
        )
    if not slash:
        return host.gpu_ids
    try:
        found = Place.parse(text).gpu_ids
    except ValueError as error:
        raise UsageError(f"{error}, or HOST for all its GPUs.") from None
    if not set(found) <= set(host.gpu_ids):
        raise UsageError(f"{text!r} is none of {name}'s GPUs, which are 0 to {host.gpus - 1}.")
    return found


def cordoned(snapshots: Mapping[str, HostSnapshot]) -> frozenset[GpuId]:
    """The GPUs that are cordoned as their hosts were last read."""
    return frozenset(
        GpuId(host, gpu.identity.hip_index)
        for host, snapshot in snapshots.items()
        for gpu in (snapshot.reading.gpus if snapshot.reading else ())
        if snapshot.cordon(gpu.identity.pci)
    )


def check_not_cordoned(before: Model, after: Model, held: Collection[GpuId], cordons: Mapping[GpuId, Cordon]) -> None:
    """Refuse to place a model on a cordoned GPU where it is not already. Raises UsageError."""
    there = after.place.gpu_ids if after.enabled and after.place else ()
    here = {*held, *(before.place.gpu_ids if before.enabled and before.place else ())}
    for gpu in there:
        if gpu in cordons and gpu not in here:
            raise UsageError(
                f"{after.name} cannot be placed on {gpu}: {cordons[gpu].words}.",
                f"Choose another GPU, or bring it back with `gpudeck uncordon {gpu}`.",
            )
