"""KV001 and KV002."""

from __future__ import annotations

import pytest

from fleet.findings import Finding, Severity, Tense
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Change, Enable, Move, SetArgument, apply
from fleet.model import Place


def found(demo: Inventory, model: str, *changes: Change) -> Finding:
    findings = assess(apply(demo, changes), tense=Tense.DRAFT).findings
    return next(each for each in findings if each.model == model)


@pytest.fixture
def trial() -> tuple[Change, ...]:
    """A 32B model tried on the free part of GPU 7, with a little too little memory."""
    return (
        Move("qwen3-32b", Place.parse("gpu01/7")),
        Enable("qwen3-32b"),
        SetArgument("qwen3-32b", "gpu-memory-utilization", 0.37),
        SetArgument("qwen3-32b", "max-model-len", 40_960),
    )


def test_the_message_is_the_engines_and_the_headline_fits_a_row(demo: Inventory, trial: tuple[Change, ...]) -> None:
    finding = found(demo, "qwen3-32b", *trial)
    tokens = int(finding.numbers["kv_cache_tokens"])
    assert finding.tense is Tense.DRAFT
    assert finding.message.startswith("The model's max seq len (40960) is larger than the maximum number of tokens")
    assert finding.headline == f"max seq len 40,960 exceeds the KV cache: {tokens:,} tokens fit"
    assert 32_000 < tokens < 34_000


def test_a_share_of_0_39_is_enough_and_is_offered(demo: Inventory, trial: tuple[Change, ...]) -> None:
    summaries = [fix.summary for fix in found(demo, "qwen3-32b", *trial).fixes]
    assert "utilization 0.39" in summaries
    assert "fp8 KV" in summaries


def test_the_length_offered_fits_even_at_the_high_end(demo: Inventory, trial: tuple[Change, ...]) -> None:
    fix = found(demo, "qwen3-32b", *trial).fixes[0]
    change = fix.changes[0]
    assert isinstance(change, SetArgument) and change.flag == "max-model-len"
    after = assess(apply(demo, [*trial, *fix.changes]))
    assert not [each for each in after.findings if each.model == "qwen3-32b"]


def test_a_length_below_the_chunking_limit_is_offered_with_chunks(demo: Inventory, trial: tuple[Change, ...]) -> None:
    fix = found(demo, "qwen3-32b", *trial).fixes[0]
    assert fix.summary.endswith("in chunks")
    assert SetArgument("qwen3-32b", "enable-chunked-prefill", True) in fix.changes


def test_v0_never_chunks_a_multimodal_model_so_it_is_not_offered(demo: Inventory) -> None:
    finding = found(demo, "gemma-3-27b", SetArgument("gemma-3-27b", "max-model-len", None))
    assert finding.code == "KV001"
    assert not [fix for fix in finding.fixes if "chunks" in fix.summary]


def test_a_model_that_only_just_starts_is_a_warning(demo: Inventory, trial: tuple[Change, ...]) -> None:
    barely = SetArgument("qwen3-32b", "gpu-memory-utilization", 0.382)
    finding = found(demo, "qwen3-32b", *trial, barely)
    assert (finding.code, finding.severity) == ("KV001", Severity.WARNING)
    assert "may exceed" in finding.headline
    assert "utilization 0.39" in [fix.summary for fix in finding.fixes]


def test_no_memory_for_the_cache_says_what_is_asked_and_what_is_needed(demo: Inventory) -> None:
    finding = found(demo, "llama-3.1-8b", SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.07))
    assert finding.code == "KV002"
    assert finding.message.startswith("No available memory for the cache blocks.")
    assert finding.numbers["weights_bytes"] > finding.numbers["budget_bytes"]
    (fix,) = finding.fixes
    assert fix.changes == (SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.18),)
