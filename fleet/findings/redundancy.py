"""RED001, RED002 and POL003: roles that one failure takes away, or leaves fewer models than were agreed on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from fleet.findings import Finding, Severity
from fleet.findings.placement import Placement
from fleet.model import GpuId, Model


def find(placement: Placement) -> Iterator[Finding]:
    """Roles served by one model, and roles whose every model needs the same GPU or host."""
    roles = _roles(placement)
    hosts = len(placement.inventory.hosts)
    for role, models in roles.items():
        if len(models) == 1:
            words = f"the only model for {role}"
            yield placement.finding("RED001", Severity.INFO, models[0], words)
            continue
        shared = _shared_gpu(models)
        names = ", ".join(model.name for model in models)
        if shared:
            words = f"every model for {role} needs {shared}: {names}"
            yield placement.finding("RED002", Severity.INFO, models[-1], words)
        elif hosts > 1 and len({model.place.host for model in models if model.place}) == 1:
            words = f"every model for {role} is on one host: {names}"
            yield placement.finding("RED002", Severity.INFO, models[-1], words)


def find_few(placement: Placement) -> Iterator[Finding]:
    """Roles with fewer models than were agreed on, counting those of which no GPU takes two."""
    agreed = placement.inventory.policy.redundancy
    roles = _roles(placement) if agreed else {}
    for role, wanted in agreed.items():
        models = roles.get(role, [])
        gpus = Counter(gpu for model in models if model.place for gpu in model.place.gpu_ids)
        spare = len(models) - max(gpus.values(), default=0)
        apart = min(len(models), spare + 1)
        if apart < wanted:
            served = f"{len(models)} model{'' if len(models) == 1 else 's'}"
            shared = f", of which one GPU takes {len(models) - spare}" if len(models) > apart else ""
            words = f"{role} is served by {served}{shared}, and {wanted} {'was' if wanted == 1 else 'were'} agreed on"
            about = models[-1] if models else None
            yield placement.finding("POL003", Severity.WARNING, about, words, models=len(models), wanted=wanted)


def _roles(placement: Placement) -> dict[str, list[Model]]:
    roles: defaultdict[str, list[Model]] = defaultdict(list)
    for model in placement.inventory.placed:
        if model.role:
            roles[model.role].append(model)
    return roles


def _shared_gpu(models: list[Model]) -> GpuId | None:
    common = set.intersection(*(set(model.place.gpu_ids) for model in models if model.place))
    return min(common, default=None)
