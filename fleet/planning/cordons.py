"""Nothing new on a cordoned GPU, and everything off one that is evacuated."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from fleet.errors import UsageError
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Move, apply
from fleet.model import GpuId, Model, Place
from fleet.planning.carry import Fit, verdict
from fleet.readings import Cordon, HostSnapshot
from fleet.startup import ModelStart

_FITS = (Fit.FITS, Fit.TIGHT)


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
        raise UsageError(f"{text!r}: {error}.", "Write HOST, HOST/GPU or HOST/GPUS, such as gpu01/3.") from None
    if not set(found) <= set(host.gpu_ids):
        raise UsageError(f"{text!r}: the GPUs of {name} are 0 to {host.gpus - 1}.")
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


def evacuating(
    inventory: Inventory,
    leave: Collection[GpuId],
    cordoned: Collection[GpuId],
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart] | None = None,
) -> tuple[Change, ...]:
    """Moves after which no model is on these GPUs: the largest first, each to the roomiest place left.

    Its own host comes first, then the others with GPUs of the same kind.

    Args:
        inventory: The fleet as it would be otherwise.
        leave: What is to be empty.
        cordoned: Where nothing is placed either.
        totals: Measured bytes of GPUs.
        starts: What starts of models measured, by name.

    Raises:
        UsageError: A model fits nowhere else.
    """
    barred = {*leave, *cordoned}
    inside = [model for model in inventory.placed if model.place and set(model.place.gpu_ids) & set(leave)]
    changes: list[Change] = []
    for model in sorted(inside, key=lambda model: (-len(model.place.gpus) if model.place else 0, model.name)):
        place = _roomiest(apply(inventory, changes), model, barred, totals, starts)
        if place is None:
            raise UsageError(
                f"{model.name} fits on no other GPU, so {model.place} cannot be emptied.",
                f"Stop it with --disable {model.name}, make it smaller with --set, or move another model first.",
            )
        changes.append(Move(model.name, place))
    return tuple(changes)


def _roomiest(
    inventory: Inventory,
    model: Model,
    barred: Collection[GpuId],
    totals: Mapping[GpuId, int],
    starts: Mapping[str, ModelStart] | None,
) -> Place | None:
    """On the first host with a place for it, the one that leaves most free; where it fits before where it is tight."""
    for host in _hosts(inventory, model):
        found = []
        for place in _places(host, model):
            if not set(place.gpu_ids) & set(barred):
                answer = verdict(inventory, model, place.gpu_ids[0], totals, starts)
                if answer.fit in _FITS:
                    found.append((answer.fit is Fit.FITS, answer.size_bytes, -place.gpus[0], place))
        if found:
            return max(found)[-1]
    return None


def _hosts(inventory: Inventory, model: Model) -> Iterator[Host]:
    assert model.place is not None, "only placed models are evacuated"
    home = inventory.host(model.place.host)
    yield home
    for host in inventory.hosts:
        if host is not home and host.accelerator_name == home.accelerator_name:
            yield host


def _places(host: Host, model: Model) -> Iterator[Place]:
    count = len(model.place.gpus) if model.place else 1
    for first in range(host.gpus - count + 1):
        yield Place(host.name, tuple(range(first, first + count)))
