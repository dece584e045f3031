"""MEM001 and MEM002: models beside models."""

from __future__ import annotations

import pytest

from fleet.findings import Finding, Severity, Tense
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Disable, Enable, Move, SetArgument, apply
from fleet.model import GpuId, Place, Version
from fleet.units import GiB

CODERS = GpuId("gpu01", 1)


def found(inventory: Inventory, code: str, version: str | None = None, tense: Tense = Tense.NOW) -> list[Finding]:
    assessed = assess(inventory, version=Version(version) if version else None, tense=tense)
    return [each for each in assessed.findings if each.code == code]


@pytest.mark.parametrize(
    ("version", "refused"), [("0.9.0", 0), ("0.9.1", 0), ("0.9.2", 1), ("0.19.1", 1), ("0.33.0", 1)]
)
def test_half_and_half_starts_on_rocm_only_up_to_0_9_1(demo: Inventory, version: str, refused: int) -> None:
    assert len(found(demo, "MEM001", version)) == refused


def test_the_sentence_names_the_neighbour_and_quotes_the_engine(demo: Inventory) -> None:
    (finding,) = found(demo, "MEM001", "0.33.0", Tense.WHAT_IF)
    assert (finding.model, finding.gpu) == ("devstral-small", CODERS)
    needs, free = finding.numbers["needs_free_bytes"] / GiB, finding.numbers["free_bytes"] / GiB
    assert finding.headline == f"will not start beside deepcoder-14b: needs {needs:.1f} GiB free, {free:.1f} are"
    assert "Free memory on device cuda:0 (" in finding.message
    assert "is less than desired GPU memory utilization (0.5, 95.99 GiB)" in finding.message


def test_a_running_model_is_told_that_it_will_not_start_again(demo: Inventory) -> None:
    (finding,) = found(demo, "MEM001", "0.33.0")
    assert finding.headline.startswith("will not start again beside deepcoder-14b")


def test_the_check_is_passed_with_a_share_a_little_smaller_or_elsewhere(demo: Inventory) -> None:
    (finding,) = found(demo, "MEM001", "0.33.0")
    summaries = [fix.summary for fix in finding.fixes]
    assert summaries == [
        "utilization devstral-small 0.49",
        "utilization deepcoder-14b 0.49 + devstral-small 0.49",
        "move devstral-small to gpu01/3",
    ]
    for fix in finding.fixes:
        assert not found(apply(demo, fix.changes), "MEM001", "0.33.0")


def test_a_model_alone_cannot_have_all_of_a_gpu(demo: Inventory) -> None:
    whole = apply(demo, [SetArgument("llama-3.3-70b", "gpu-memory-utilization", 1.0)])
    (finding,) = [each for each in found(whole, "MEM001", "0.33.0") if each.model == "llama-3.3-70b"]
    assert finding.headline.startswith("will not start again: needs 192.0 GiB free")


def test_a_pair_that_fits_at_rest_and_not_at_its_peak_is_a_warning(demo: Inventory) -> None:
    (finding,) = found(demo, "MEM002")
    numbers = finding.numbers
    assert (finding.severity, finding.gpu, finding.model) == (Severity.WARNING, CODERS, None)
    assert numbers["resident_bytes"] / GiB == pytest.approx(191.2, abs=0.3)
    assert numbers["resident_bytes"] < numbers["total_bytes"] < numbers["peak_bytes"] < numbers["high_bytes"]
    assert finding.headline == "rests at 191.3, peaks at 194.0 of 192.0 GiB"


def test_with_graphs_the_pair_rests_above_its_gpu(demo: Inventory) -> None:
    (finding,) = found(apply(demo, [SetArgument("devstral-small", "enforce-eager", None)]), "MEM002")
    assert finding.severity is Severity.ERROR
    assert finding.headline.startswith("over-committed: 192.")


def test_every_fix_of_the_warning_ends_it(demo: Inventory) -> None:
    (finding,) = found(demo, "MEM002")
    assert len(finding.fixes) == 3
    for fix in finding.fixes:
        assert not found(apply(demo, fix.changes), "MEM002")


def test_a_model_that_runs_out_while_loading_over_commits_its_gpu(demo: Inventory) -> None:
    alone = apply(demo, [Disable("gemma-3-27b"), Move("qwen3-235b", Place.parse("gpu01/7")), Enable("qwen3-235b")])
    (finding,) = [each for each in found(alone, "MEM002") if each.gpu == GpuId("gpu01", 7)]
    assert finding.severity is Severity.ERROR


def test_a_model_over_several_gpus_moves_as_a_block(demo: Inventory) -> None:
    moved = apply(demo, [Move("mai-ds-r1", Place.parse("gpu01/5-7"))])
    (finding,) = [each for each in found(moved, "MEM002") if each.gpu == GpuId("gpu01", 7)]
    assert finding.severity is Severity.ERROR
    assert any("move gemma-3-27b to gpu01/" in fix.summary for fix in finding.fixes)
