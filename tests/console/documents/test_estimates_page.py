"""The accuracy that documents claim is no better than what the benchmark gives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROUNDING = 0.06


@pytest.fixture(scope="module")
def printed() -> str:
    """The benchmark's part about gpudeck."""
    done = subprocess.run(
        [sys.executable, "tests/benchmarks/estimator_accuracy.py"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.partition("parameters x")[0]


def claimed_errors(measure: str) -> list[float]:
    """The percentages of its row in the page's table: median, mean, nine of ten; then those of the rule of thumb."""
    text = (ROOT / "docs" / "estimates.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| {measure} \| \d+ \|(.*)$", text, re.MULTILINE)
    assert found
    return [float(figure) for figure in re.findall(r"([\d.]+) %", found[1])]


@pytest.mark.parametrize("measure", ["weights", "activations", "KV pool", "KV tokens"])
def test_the_page_claims_no_better_errors_than_the_benchmark_prints(printed: str, measure: str) -> None:
    found = re.search(rf"^  {measure} +mean +([\d.]+)% +median +([\d.]+)% +p90 +([\d.]+)%", printed, re.MULTILINE)
    assert found
    mean, median, p90 = map(float, found.groups())
    for claim, measured in zip(claimed_errors(measure)[:3], (median, mean, p90), strict=True):
        assert claim >= measured * (1 - ROUNDING) - ROUNDING, f"{measure}: {claim} % claimed, {measured} % measured"


def test_the_page_claims_no_more_foretold_than_the_benchmark_prints(printed: str) -> None:
    found = re.search(r"outcome +right ([\d.]+)%, failures foretold ([\d.]+)%", printed)
    text = " ".join((ROOT / "docs" / "estimates.md").read_text(encoding="utf-8").split())
    claimed = re.search(r"right for ([\d.]+) % of them; of those that failed to start, ([\d.]+) % were foretold", text)
    assert found
    assert claimed
    for claim, measured in zip(claimed.groups(), found.groups(), strict=True):
        assert float(claim) <= float(measured) + ROUNDING


def test_the_readme_claims_what_the_page_claims() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    medians = re.search(r"^\| gpudeck \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \|$", text, re.MULTILINE)
    assert medians
    page = [claimed_errors(measure)[0] for measure in ("weights", "KV pool", "KV tokens")]
    assert list(map(float, medians.groups())) == page
