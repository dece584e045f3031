"""Other places of the fleet where a model's estimate fits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from fleet.findings import Fix
from fleet.findings.placement import Placement
from fleet.inventory import Host
from fleet.inventory.changes import Move
from fleet.model import Model, Place

_CANDIDATES = 3


def moves(placement: Placement, model: Model) -> tuple[Fix, ...]:
    """Moves to the places with most room: on its own host, else on those others of its kind that have most."""
    assert model.place is not None, "only placed models are moved"
    home = placement.host(model.place.host)
    roomiest = (host for host in placement.hosts_by_room if host.accelerator_name == home.accelerator_name)
    for hosts in ([home], [host for host in islice(roomiest, _CANDIDATES) if host is not home]):
        rooms = sorted(
            (room for host in hosts for room in _rooms(placement, model, host)),
            key=lambda room: (-room[0], room[1].gpus),
        )
        if rooms:
            return tuple(_move(model, target) for _, target in rooms[:_CANDIDATES])
    return ()


def _move(model: Model, target: Place) -> Fix:
    return Fix(f"move {model.name} to {target}", (Move(model.name, target),))


def _rooms(placement: Placement, model: Model, host: Host) -> Iterator[tuple[int, Place]]:
    """(bytes that stay free at the peak, place) of every run of GPUs that the model fits."""
    assert model.place is not None, "only placed models are moved"
    shares = placement.estimates[model.name].shares
    size = max(share.high_bytes for share in shares)
    for first in range(host.gpus - len(shares) + 1):
        target = Place(host.name, tuple(range(first, first + len(shares))))
        if set(target.gpu_ids).isdisjoint(model.place.gpu_ids):
            outlooks = [placement.outlooks[gpu] for gpu in target.gpu_ids]
            room = min(outlook.total_bytes - outlook.peak_bytes for outlook in outlooks) - size
            if room >= 0:
                yield room, target
