"""The findings of a fleet: every rule over every placed model and GPU, with fixes that were tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fleet.findings import (
    Finding,
    Fix,
    Tense,
    configuration,
    declared,
    decoding,
    flags,
    headroom,
    kv_cache,
    overcommitment,
    policy,
    power,
    quantized,
    redundancy,
    splitting,
    start_check,
)
from fleet.findings.assessment import Assessment, GpuOutlook
from fleet.findings.ignoring import sorted_out
from fleet.findings.placement import Placement, place
from fleet.findings.verifying import holds
from fleet.inventory import Inventory
from fleet.model import GpuId, Version
from fleet.startup import ModelStart

__all__ = ["Assessment", "GpuOutlook", "assess"]


@dataclass(frozen=True, slots=True)
class _Family:
    """Rules that look at the same thing, and the ways out of what they find."""

    codes: tuple[str, ...]
    find: Callable[[Placement], Iterator[Finding]]
    remedies: Callable[[Placement, Finding], Iterator[tuple[Fix, ...]]] | None = None
    """Ways out, the cheapest first; of each, the changes to try, the cheapest first. None where the operator says."""
    advises: bool = False
    """Whether it only advises: nothing is wrong, and screens stay silent."""


_FAMILIES = (
    _Family(("CTX001", "CTX002", "PAR001"), configuration.find, configuration.remedies),
    _Family(("ARG001",), flags.find, flags.remedies),
    _Family(("KV001", "KV002"), kv_cache.find, kv_cache.remedies),
    _Family(("MEM001",), start_check.find, start_check.remedies),
    _Family(("MEM002",), overcommitment.find, overcommitment.remedies),
    _Family(("MEM003",), declared.find),
    _Family(("MEM007",), headroom.find_thin),
    _Family(("POL002",), headroom.find_short),
    _Family(("POL003",), redundancy.find_few),
    _Family(("POL004",), power.find),
    _Family(("QNT001", "QNT002", "QNT003", "QNT004"), quantized.find, quantized.remedies),
    _Family(("MEM005", "MEM006"), headroom.find, headroom.remedies, advises=True),
    _Family(("PAR003", "PAR004"), splitting.find, advises=True),
    _Family(("POL001",), policy.find, policy.remedies, advises=True),
    _Family(("RED001", "RED002"), redundancy.find, advises=True),
    _Family(("PERF001",), decoding.find, advises=True),
)
_REMEDIES = {code: family.remedies for family in _FAMILIES for code in family.codes}
_ADVICE = {code for family in _FAMILIES if family.advises for code in family.codes}


def assess(
    inventory: Inventory,
    *,
    tense: Tense = Tense.NOW,
    version: Version | None = None,
    totals: Mapping[GpuId, int] | None = None,
    starts: Mapping[str, ModelStart] | None = None,
    watts: Mapping[GpuId, float] | None = None,
    with_fixes: bool = True,
    with_advice: bool = False,
) -> Assessment:
    """Estimate every enabled model and look for everything that is wrong.

    Args:
        inventory: The fleet, or a draft over it.
        tense: What the findings are said to speak of.
        version: Reckon every vLLM model as if it had this version.
        totals: Measured bytes of GPUs; the accelerator's own figure for the rest.
        starts: What starts of models measured, by name; the rest is modelled.
        watts: What GPUs were seen to draw under load with the models they have here; the rest is modelled.
        with_fixes: Compute fixes too; without, a findings-only answer costs a fraction.
        with_advice: Look too for what is not wrong but could be better.
    """
    placement = place(inventory, totals=totals or {}, starts=starts or {}, tense=tense, version=version)
    placement = replace(placement, watts=watts or {})
    counted, ignored = sorted_out(inventory, _found(placement, with_advice), tense, tells_idle=with_advice)
    findings = sorted(counted, key=lambda finding: _rank(placement, finding))
    if with_fixes:
        findings = [replace(finding, fixes=_fixes(placement, finding)) for finding in findings]
    return Assessment(inventory, placement.estimates, placement.outlooks, tuple(findings), tuple(ignored))


def _found(placement: Placement, with_advice: bool) -> Iterator[Finding]:
    for family in _FAMILIES:
        if with_advice or not family.advises:
            yield from family.find(placement)


def _rules(placement: Placement) -> Iterator[Finding]:
    """Every rule that can tell a fix from a mere shift of the trouble."""
    return _found(placement, with_advice=False)


def _rules_with_advice(placement: Placement) -> Iterator[Finding]:
    return _found(placement, with_advice=True)


def _fixes(placement: Placement, finding: Finding) -> tuple[Fix, ...]:
    """Of each way out, the cheapest change that holds."""
    remedies = _REMEDIES.get(finding.code)
    if remedies is None:
        return ()
    found = []
    rules = _rules_with_advice if finding.code in _ADVICE else _rules
    for way_out in remedies(placement, finding):
        fix = next((fix for fix in way_out if holds(placement, finding, fix, rules)), None)
        if fix:
            found.append(fix)
    return tuple(found)


def _rank(placement: Placement, finding: Finding) -> tuple[int, int]:
    """Errors before warnings; then by the model, or the first model of the GPU, in the fleet file."""
    names = [finding.model] if finding.model else [model.name for model in placement.on(finding.gpu)]
    order = placement.positions
    return finding.severity.rank, min((order[name] for name in names if name), default=0)
