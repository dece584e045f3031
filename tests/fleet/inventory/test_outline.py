"""The outline of a fleet file has the same names in the same places as the file read whole, or is not to be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.inventory.loading import load
from fleet.inventory.outline import outline

DEMO = Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml"
SMALL = """\
fleet: small
hosts:
  gpu01: {address: ops@gpu01, accelerator: mi300x, gpus: 8, production: true}
models:
  llama: {source: meta-llama/Llama-3.1-8B-Instruct, engine: vllm 0.9.0, place: gpu01/0}
  later: {source: Qwen/Qwen3-32B, engine: vllm 0.9.0, enabled: false}
"""


def test_it_names_what_the_whole_file_names() -> None:
    named, whole = outline(DEMO), load(DEMO)
    assert named is not None
    assert (named.fleet, named.gpu_ids) == (whole.fleet, whole.gpu_ids)
    assert [host.accelerator for host in named.hosts] == [host.accelerator for host in whole.hosts]
    assert [(m.name, m.place, m.enabled) for m in named.models] == [(m.name, m.place, m.enabled) for m in whole.models]


def test_it_says_which_host_serves_production_and_which_models_rest(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(SMALL, encoding="utf-8")
    named = outline(path)
    assert named is not None
    assert named.hosts[0].production
    assert [model.name for model in named.placed] == ["llama"]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (SMALL, ""),
        (SMALL, "just words"),
        (SMALL, "fleet: [unclosed"),
        ("mi300x", "a-toaster"),
        ("gpus: 8", "gpus: 100000"),
        ("gpus: 8", "gpus: many"),
        ("gpu01/0", "gpu01/8"),
        ("gpu01/0", "nowhere/0"),
        ("gpu01/0", "gpu01"),
        ("vllm 0.9.0, place", "a-typewriter, place"),
        ("enabled: false", "enabled: true"),
        ("  later", "  llama"),
    ],
)
def test_of_a_file_that_is_plainly_wrong_there_is_none(tmp_path: Path, good: str, bad: str) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(SMALL.replace(good, bad), encoding="utf-8")
    assert outline(path) is None


def test_of_a_file_that_is_not_there_there_is_none(tmp_path: Path) -> None:
    assert outline(tmp_path / "none.yaml") is None
