"""RED001 and RED002: roles that one failure takes away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.model import GpuId, Model


def find(placement: Placement) -> Iterator[Finding]:
    """Roles served by one model, and roles whose every model needs the same GPU or host."""
    roles: defaultdict[str, list[Model]] = defaultdict(list)
    for model in placement.inventory.placed:
        if model.role:
            roles[model.role].append(model)
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


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """None: which copy to move is the operator's to say."""
    del placement, finding
    return iter(())


def _shared_gpu(models: list[Model]) -> GpuId | None:
    common = set.intersection(*(set(model.place.gpu_ids) for model in models if model.place))
    return min(common, default=None)
