"""The overlay a model needs to run as a fleet says: its GPUs by identity, its arguments by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.errors import GpudeckError
from fleet.hardware import Accelerator
from fleet.model import Model, Scalar
from fleet.readings import GpuIdentity
from fleet.services import Definition, Service
from fleet.services.arguments import SHORT, check_rewritable, read_arguments, with_arguments

_VISIBILITY = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")


def overlay_for(
    service: Service,
    definition: Definition,
    before: Model,
    after: Model,
    identities: Sequence[GpuIdentity],
    accelerator: Accelerator,
) -> str | None:
    """The overlay that makes the service run as ``after`` says; None where its own definition does already.

    ``identities`` are all GPUs of the host it will run on. Raises GpudeckError where the command line is not
    ours to rewrite.
    """
    assert after.place is not None, "a model that starts has a place"
    argv = _argv(definition, before, after)
    if argv != definition.argv:
        try:
            check_rewritable(definition.argv)
        except GpudeckError as error:
            raise GpudeckError(f"{after.name}: {error.message}", error.way_out) from None
    environment: Mapping[str, str | None] = {}
    moved = before.place != after.place or not before.enabled
    pinned = any(name in definition.overlaid_environment for name in _VISIBILITY)
    if (moved or pinned) and own_place(definition.environment, identities) != after.place.gpus:
        environment = pins(after.place.gpus, identities, accelerator)
    if argv == definition.argv and not environment:
        return None
    return service.overlay(definition, argv, environment)


def _argv(definition: Definition, before: Model, after: Model) -> tuple[str, ...]:
    """The operator's command line with the fleet's values of the arguments it, we or the draft touch."""
    changed = {flag for flag, value in after.args.items() if before.args.get(flag) != value}
    named = {*read_arguments(definition.argv), *read_arguments(definition.overlaid_argv)}
    wanted: dict[str, Scalar] = {flag: None for flag in before.args if flag not in after.args}
    wanted.update(
        (flag, value) for flag, value in after.args.items() if flag in changed or SHORT.get(flag, flag) in named
    )
    return with_arguments(definition.argv, wanted)


def pins(gpus: Sequence[int], identities: Sequence[GpuIdentity], accelerator: Accelerator) -> dict[str, str | None]:
    """The variables that show a process these GPUs (HIP indices) and no others; None clears one.

    Whole AMD GPUs with an id are named by it, ``GPU-<unique_id>``, which survives any reordering. Partitions
    share their GPU's id, so they, and GPUs without one, go by the index of this moment: ROCr counts as HIP
    does where nothing filters, and filters before HIP. NVIDIA's are counted by PCI address.
    """
    if accelerator.vendor == "nvidia":
        return {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)),
        }
    chosen = [identity for index in gpus for identity in identities if identity.hip_index == index]
    by_id = len(chosen) == len(gpus) and all(_has_own_id(identity, identities) for identity in chosen)
    names = [f"GPU-{identity.unique_id}" for identity in chosen] if by_id else list(map(str, gpus))
    return {
        "ROCR_VISIBLE_DEVICES": ",".join(names),
        "HIP_VISIBLE_DEVICES": None,
        "CUDA_VISIBLE_DEVICES": None,
    }


def _has_own_id(identity: GpuIdentity, identities: Sequence[GpuIdentity]) -> bool:
    return bool(identity.unique_id) and sum(other.unique_id == identity.unique_id for other in identities) == 1


def own_place(environment: Mapping[str, str], identities: Sequence[GpuIdentity]) -> tuple[int, ...] | None:
    """The GPUs (HIP indices) an environment shows a process; None where it does not say, or not plainly."""
    given = {name: environment[name] for name in _VISIBILITY if environment.get(name)}
    listed, *others = set(given.values()) or {""}
    if others or not listed or (len(given) > 1 and "ROCR_VISIBLE_DEVICES" in given):
        return None  # each filters what the other left
    own = (identity for identity in identities if _has_own_id(identity, identities))
    by_id = {f"GPU-{identity.unique_id}": identity.hip_index for identity in own}
    found = []
    for name in listed.split(","):
        index = by_id.get(name.strip(), int(name) if name.strip().isdecimal() else None)
        if index is None:
            return None
        found.append(index)
    return tuple(sorted(found))
