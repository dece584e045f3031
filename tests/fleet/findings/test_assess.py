"""The findings of a whole fleet: what is looked for, in which order, and that fixes hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.findings import Severity, Tense
from fleet.findings.assess import assess
from fleet.findings.registry import RULES
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, SetArgument, apply
from fleet.model import GpuId, Place, Version
from fleet.units import GiB

# Drafts over the demo fleet, each wrong in its own way.
WRONG: dict[str, tuple[Change, ...]] = {
    "KV001": (SetArgument("llama-3.3-70b", "gpu-memory-utilization", 0.85),),
    "KV002": (SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.07),),
    "MEM002": (SetArgument("devstral-small", "enforce-eager", None),),
    "CTX001": (SetArgument("llama-3.1-8b", "max-model-len", 500_000),),
    "CTX002": (SetArgument("llama-3.1-8b", "max-num-batched-tokens", 128),),
    "PAR001": (SetArgument("llama-3.1-8b", "tensor-parallel-size", 3),),
}


def test_the_demo_fleet_as_shipped_has_one_warning_and_no_error(demo: Inventory) -> None:
    findings = assess(demo).findings
    assert [(each.code, each.severity, str(each.gpu)) for each in findings] == [("MEM002", Severity.WARNING, "gpu01/1")]


def test_the_newest_version_will_not_start_the_pair_of_coders(demo: Inventory) -> None:
    findings = assess(demo, version=Version("0.33.0"), tense=Tense.WHAT_IF).findings
    errors = [each for each in findings if each.severity is Severity.ERROR]
    assert [(each.code, each.tense, str(each.gpu)) for each in errors] == [("MEM001", Tense.WHAT_IF, "gpu01/1")]


@pytest.mark.parametrize("code", WRONG)
def test_each_rule_finds_what_it_is_for(demo: Inventory, code: str) -> None:
    first = assess(apply(demo, WRONG[code])).findings[0]
    assert (first.code, first.severity) == (code, Severity.ERROR)
    assert first.message and first.headline and "\n" not in first.message


@pytest.mark.parametrize("code", WRONG)
def test_a_fix_leaves_nothing_of_its_finding_and_no_new_error(demo: Inventory, code: str) -> None:
    wrong = apply(demo, WRONG[code])
    before = {each.code for each in assess(wrong).findings if each.severity is Severity.ERROR}
    finding = assess(wrong).findings[0]
    for fix in finding.fixes:
        after = assess(apply(wrong, fix.changes)).findings
        assert not [each for each in after if each.code == code and each.subject == finding.subject]
        assert {each.code for each in after if each.severity is Severity.ERROR} <= before - {code}


def test_errors_come_first_and_then_the_order_of_the_file(demo: Inventory) -> None:
    wrong = apply(demo, [*WRONG["KV001"], SetArgument("gemma-3-27b", "max-model-len", None)])
    findings = assess(wrong).findings
    assert [(each.severity, each.subject) for each in findings] == [
        (Severity.ERROR, "llama-3.3-70b"),
        (Severity.ERROR, "gemma-3-27b"),
        (Severity.WARNING, "gpu01/1"),
    ]


def test_disabled_models_are_neither_estimated_nor_judged(demo: Inventory) -> None:
    found = assess(demo)
    assert "qwen3-235b" not in found.estimates
    assert found.estimates.keys() == {model.name for model in demo.placed}


def test_every_gpu_has_an_outlook_and_its_sums_hold_the_driver(demo: Inventory) -> None:
    found = assess(demo)
    assert tuple(found.outlooks) == demo.gpu_ids
    outlook = found.outlooks[GpuId("gpu01", 5)]
    ((name, share),) = outlook.shares
    assert name == "mai-ds-r1"
    assert outlook.resident_bytes == share.resident_bytes + outlook.driver_bytes
    assert outlook.peak_bytes == share.total_bytes + outlook.driver_bytes
    assert outlook.high_bytes == share.high_bytes + outlook.driver_bytes


def test_a_measured_total_overrules_the_accelerators(demo: Inventory) -> None:
    gpu = GpuId("gpu01", 2)
    found = assess(demo, totals={gpu: 205_822_885_888})
    assert found.outlooks[gpu].total_bytes == 205_822_885_888
    assert found.estimates["llama-3.3-70b"].budget_bytes == int(205_822_885_888 * 0.97)


def test_the_version_asked_about_is_of_vllm_models_only(demo: Inventory) -> None:
    before, after = assess(demo), assess(demo, version=Version("0.33.0"))
    changed = {name for name in before.estimates if before.estimates[name] != after.estimates[name]}
    assert changed == {model.name for model in demo.placed if model.engine.name == "vllm"}


def test_fixes_can_be_left_out(demo: Inventory) -> None:
    (finding,) = assess(demo, with_fixes=False).findings
    (whole,) = assess(demo).findings
    assert not finding.fixes and whole.fixes
    assert replace(whole, fixes=()) == finding


def test_models_on_an_empty_fleet_are_no_trouble(demo: Inventory) -> None:
    assert assess(replace(demo, models=())).findings == ()


def test_every_code_has_an_explanation() -> None:
    assert set(WRONG) | {"MEM001"} < set(RULES)
    assert all(rule.title and rule.why and rule.how and rule.source for rule in RULES.values())


def test_sizes_are_bytes_under_keys_that_say_so(demo: Inventory) -> None:
    for changes in WRONG.values():
        for finding in assess(apply(demo, changes)).findings:
            assert all(key.endswith("_bytes") for key, number in finding.numbers.items() if number > GiB)


def test_a_fix_that_would_harm_a_neighbour_is_not_offered(demo: Inventory) -> None:
    crowded = apply(
        demo,
        [
            Move("qwen3-32b", Place.parse("gpu01/2")),
            Enable("qwen3-32b"),
            SetArgument("qwen3-32b", "gpu-memory-utilization", 0.2),
        ],
    )
    finding = next(each for each in assess(crowded).findings if each.code == "KV002")
    assert not [fix for fix in finding.fixes if "utilization" in fix.summary]
