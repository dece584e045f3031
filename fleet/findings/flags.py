"""ARG001: an argument that is no flag of the engine's version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fleet.estimate.vllm.versions import NEWEST
from fleet.findings import Finding, Fix, Severity
from fleet.findings.placement import Placement
from fleet.flags.unknown import Unknown, unknown
from fleet.inventory.changes import SetArgument
from fleet.model import Model


def find(placement: Placement) -> Iterator[Finding]:
    """Arguments that are misspelt, of another version, or not known; the last is no more than worth saying."""
    for model in placement.inventory.placed:
        for each in _unknown(placement, model):
            severity = Severity.WARNING if each.nearest or each.refused else Severity.INFO
            found = placement.finding("ARG001", severity, model, each.words)
            yield replace(found, message=each.sentence)


def remedies(placement: Placement, finding: Finding) -> Iterator[tuple[Fix, ...]]:
    """What was meant in its place; without it, where the engine does not start with it."""
    model = placement.model(finding.model)
    for each in _unknown(placement, model):
        if each.words != finding.headline:
            continue
        without = SetArgument(model.name, each.flag, None)
        if each.nearest and each.nearest not in model.args:
            value = model.args[each.flag]
            meant = SetArgument(model.name, each.nearest, value)
            yield (Fix(f"{each.nearest} {value}", (without, meant)),)
        elif each.refused:
            yield (Fix(f"no {each.flag}", (without,)),)


def _unknown(placement: Placement, model: Model) -> Iterator[Unknown]:
    version = placement.version_of(model)
    engine = replace(model.engine, version=version) if version else model.engine
    return unknown(engine, model.args, NEWEST if engine.name == "vllm" else None)
