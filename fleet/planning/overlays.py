"""The overlay a model needs to run as a fleet says: its GPUs by identity, its arguments by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.calibration.known import is_same_source
from fleet.errors import GpudeckError
from fleet.hardware import Accelerator
from fleet.model import Model, Place, Scalar
from fleet.readings import GpuIdentity
from fleet.services import Definition, Service
from fleet.services.arguments import SHORT
from fleet.services.checkpoints import named_checkpoint, with_checkpoint
from fleet.services.indirect import gives_all_arguments, named_arguments, with_changes
from fleet.services.template import check_told

_RENDER = "/dev/dri/renderD"
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
    if after.commands:
        check_told(before, after)
        return None
    try:
        named, told = _with_checkpoint(definition, before, after)
        argv, variables = with_changes(named, _wanted(definition, before, after))
    except GpudeckError as error:
        raise GpudeckError(f"{after.name}: {error.message}", error.way_out) from None
    environment: dict[str, str | None] = {**told, **variables}
    devices = None
    moved = before.place != after.place or not before.enabled
    if (moved or is_pinned(definition)) and own_place(definition, identities) != after.place.gpus:
        devices = nodes(definition, after.place, identities)
        environment |= pins(after.place.gpus, identities, accelerator, alone=devices is not None)
    unchanged = argv == definition.argv and not environment
    overlay = None if unchanged else service.overlay(definition, argv, environment, devices)
    if after.managed is not None and overlay != definition.overlay:
        raise GpudeckError(
            f"{after.name} is managed from {after.managed}, and gpudeck changes it neither there nor on the host.",
            "`gpudeck plan --format patch` with the same changes prints what to change there.",
        )
    return overlay


def _with_checkpoint(definition: Definition, before: Model, after: Model) -> tuple[Definition, dict[str, str]]:
    """The definition with what the fleet file says is served, where the draft changes that or our overlay did."""
    old, new = before.source or "", after.source or ""
    own = named_checkpoint(definition, new)
    is_own = own is not None and (own == new or (own.startswith("/") and is_same_source(new, own)))
    overlaid = named_checkpoint(definition, old, with_overlay=True) != named_checkpoint(definition, old)
    if is_own or (old == new and not overlaid):
        return definition, {}
    return with_checkpoint(definition, old, new)


def is_pinned(definition: Definition) -> bool:
    """Whether an overlay of ours chooses the GPUs already."""
    chosen = definition.overlay is not None and definition.overlaid_devices != definition.devices
    return chosen or any(name in definition.overlaid_environment for name in _VISIBILITY)


def _wanted(definition: Definition, before: Model, after: Model) -> dict[str, Scalar]:
    """The fleet's values of the arguments that the operator's own definition, we or the draft touch; None = none.

    All of them, where the definition would have them if they were given: the fleet file may have been edited by hand.
    """
    changed = {flag for flag, value in after.args.items() if before.args.get(flag) != value}
    named, whole = named_arguments(definition), gives_all_arguments(definition)
    wanted: dict[str, Scalar] = {flag: None for flag in before.args if flag not in after.args}
    wanted.update(
        (flag, value)
        for flag, value in after.args.items()
        if flag in changed or SHORT.get(flag, flag) in named or (whole and value not in (None, False))
    )
    return wanted


def nodes(definition: Definition, place: Place, identities: Sequence[GpuIdentity]) -> tuple[str, ...] | None:
    """The device nodes of these GPUs, for a service that is given devices; None for one that sees them all.

    Raises GpudeckError where it is given single nodes and the host does not say which are those GPUs'.
    """
    if not definition.devices:
        return None
    minors = {identity.hip_index: identity.render_minor for identity in identities}
    wanted = [minors.get(index) for index in place.gpus]
    if None not in wanted:
        return tuple(f"{_RENDER}{minor}" for minor in wanted)
    if any(device.startswith(_RENDER) for device in definition.devices):
        raise GpudeckError(
            f"{place.host} does not say which device nodes are those of {place}, and its containers are given nodes.",
            "Its kernel must show drm_render_minor in /sys/class/kfd/kfd/topology.",
        )
    return None


def pins(
    gpus: Sequence[int], identities: Sequence[GpuIdentity], accelerator: Accelerator, *, alone: bool = False
) -> dict[str, str | None]:
    """The variables that show a process these GPUs (HIP indices) and no others; None clears one.

    Whole AMD GPUs with an id are named by it, ``GPU-<unique_id>``, which survives any reordering. Partitions
    share their GPU's id, so they, and GPUs without one, go by the index of this moment: ROCr counts as HIP
    does where nothing filters, and filters before HIP. A process that is given these GPUs' device nodes and no
    others is ``alone`` with them, and an index would count among them: it needs none. NVIDIA's are counted by PCI
    address.
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
        "ROCR_VISIBLE_DEVICES": None if alone and not by_id else ",".join(names),
        "HIP_VISIBLE_DEVICES": None,
        "CUDA_VISIBLE_DEVICES": None,
    }


def _has_own_id(identity: GpuIdentity, identities: Sequence[GpuIdentity]) -> bool:
    return bool(identity.unique_id) and sum(other.unique_id == identity.unique_id for other in identities) == 1


def own_place(definition: Definition, identities: Sequence[GpuIdentity]) -> tuple[int, ...] | None:
    """The GPUs (HIP indices) the operator's own definition shows a process; None where it does not say plainly."""
    given = {name: definition.environment[name] for name in _VISIBILITY if definition.environment.get(name)}
    by_minor = {f"{_RENDER}{identity.render_minor}": identity for identity in identities}
    nodes = [node.partition(":")[0] for node in definition.devices if node.startswith(_RENDER)]
    if not all(node in by_minor for node in nodes):
        return None
    alone_with = sorted((by_minor[node] for node in nodes), key=lambda identity: identity.hip_index)
    if alone_with and not given:
        return tuple(identity.hip_index for identity in alone_with)
    return _visible(given, alone_with or identities, counted_anew=bool(alone_with))


def _visible(
    given: Mapping[str, str], identities: Sequence[GpuIdentity], *, counted_anew: bool
) -> tuple[int, ...] | None:
    """HIP indices on the host of what these variables show; an index in them may count these GPUs alone."""
    listed, *others = set(given.values()) or {""}
    if others or not listed or (len(given) > 1 and "ROCR_VISIBLE_DEVICES" in given):
        return None  # each filters what the other left
    named = {f"GPU-{each.unique_id}": each.hip_index for each in identities if _has_own_id(each, identities)}
    if counted_anew:
        named |= {str(rank): identity.hip_index for rank, identity in enumerate(identities)}
    found = []
    for name in map(str.strip, listed.split(",")):
        index = int(name) if name.isdecimal() and not counted_anew else named.get(name)
        if index is None:
            return None
        found.append(index)
    return tuple(sorted(found))
