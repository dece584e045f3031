"""CTX001, CTX002 and PAR001: arguments the engine refuses before it touches a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from fleet.architecture.catalogue import find as find_architecture
from fleet.estimate import Reason
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.inventory.changes import SetArgument
from fleet.units import count

_CODES = {Reason.CONTEXT_LENGTH: "CTX001", Reason.CONFIGURATION: "CTX002", Reason.PARALLELISM: "PAR001"}


def find(placement: Placement) -> Iterator[Finding]:
    """Models whose arguments contradict each other, the model or the place."""
    for model in placement.inventory.placed:
        estimate = placement.estimates[model.name]
        code = _CODES.get(estimate.refusal.reason) if estimate.refusal else None
        if code is None or estimate.refusal is None:
            continue
        length = estimate.max_model_len or 0
        headlines = {
            "CTX001": f"max-model-len {count(length)} is beyond what the model was made for",
            "CTX002": "the batch is too small for its sequences",
            "PAR001": "the model does not split over its place as asked",
        }
        yield Finding(
            code=code,
            severity=Severity.ERROR,
            tense=placement.tense,
            message=" ".join(estimate.refusal.sentence.split()),
            headline=headlines[code],
            model=model.name,
            gpu=placement.only_gpu(model),
            numbers=MappingProxyType({"max_model_len": length}),
        )


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """The model's own length; the version's own batch."""
    model = placement.model(finding.model)
    architecture = find_architecture(model.source) if model.source else None
    if finding.code == "CTX001" and architecture:
        length = architecture.max_positions
        yield (Fix(f"max-model-len {length}", (SetArgument(model.name, "max-model-len", length),)),)
    if finding.code == "CTX002":
        changes = (SetArgument(model.name, "max-num-batched-tokens", None),)
        yield (Fix("max-num-batched-tokens as the version sets it", changes),)
