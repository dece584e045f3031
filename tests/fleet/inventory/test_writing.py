"""A fleet file from nothing: what is written reads back as what was given, whatever hosts called their things."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.inventory import Host
from fleet.inventory.loading import load_text
from fleet.inventory.writing import fleet_text
from fleet.model import Arguments, Engine, Model, Place, Scalar

ODD_ARGUMENTS: dict[str, Scalar] = {
    "max-model-len": 8192, "served": "0.10", "x": True, "json": '{"a": [1, "#"]}', "e": "1e3",
}  # fmt: skip
HOST = Host("gpu01", "ops@gpu01", "MI300X", 8)


@pytest.mark.parametrize(
    "model",
    [
        Model("plain", Engine.parse("vllm 0.9.0"), "a/b", Place.parse("gpu01/0"), "systemd:a.service", role="chat"),
        Model("several", Engine.parse("llama.cpp"), "/srv/a b: c.gguf", Place.parse("gpu01/4-6")),
        Model("declared", Engine.parse("other"), place=Place.parse("gpu01/1,3"), memory_bytes=1_500_000_000),
        Model("off", Engine.parse("vllm 0.9.0"), "a/b", enabled=False),
        Model(
            "odd", Engine.parse("vllm"), "no", Place.parse("gpu01/2"),
            args=Arguments(ODD_ARGUMENTS),
        ),
    ],
)  # fmt: skip
def test_a_model_that_is_written_reads_back_the_same(model: Model) -> None:
    text = fleet_text("berget: #1", [HOST], [model], "./ssh config")
    found = load_text(text, Path("fleet.yaml"))
    assert found.fleet == "berget: #1"
    assert found.models == (model,)
    assert found.hosts == (HOST,)


def test_a_fleet_without_models_is_one() -> None:
    assert load_text(fleet_text("a", [HOST], []), Path("fleet.yaml")).models == ()
