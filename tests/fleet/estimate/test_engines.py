"""Which engine answers for a model, and when what a person declared holds instead."""

from __future__ import annotations

import pytest

from fleet.architecture.config import from_config
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.model import Engine, Model
from fleet.units import GB

MI300X = accelerator("MI300X")
SMALL = from_config(
    "small",
    {
        "model_type": "llama",
        "num_hidden_layers": 4,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 32_000,
        "max_position_embeddings": 4096,
    },
)
ENGINES = ("vllm", "llama.cpp", "sglang", "exllamav2", "text-embeddings-inference", "infinity")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_reckons_a_model_it_knows(engine: str) -> None:
    found = estimate(Model("small", Engine(engine), "small"), MI300X, architecture=SMALL)
    share = found.shares[0]
    assert found.basis != "declared"
    assert share.weights_bytes > 0
    assert share.low_bytes <= share.total_bytes <= share.high_bytes


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "vllm"])
def test_every_engine_says_what_happens_beside_others(engine: str) -> None:
    found = estimate(Model("small", Engine(engine), "small"), MI300X, architecture=SMALL)
    assert any("thers" in note for note in found.notes)


@pytest.mark.parametrize("engine", ["exllamav2", "text-embeddings-inference", "infinity", "whisper", "other"])
def test_declared_memory_holds_where_it_is_given(engine: str) -> None:
    model = Model("small", Engine(engine), "whisper-large", memory_bytes=3 * GB)
    found = estimate(model, MI300X, architecture=SMALL)
    assert (found.basis, found.shares[0].total_bytes) == ("declared", 3 * GB)


def test_whisper_is_known_by_the_name_of_its_source() -> None:
    found = estimate(Model("speech", Engine("whisper"), "KBLab/kb-whisper-large"), MI300X)
    assert found.shares[0].weights_bytes == 2 * 1_550_000_000


def test_without_anything_known_a_model_counts_as_none_and_says_so() -> None:
    found = estimate(Model("speech", Engine("whisper")), MI300X)
    assert found.shares[0].total_bytes == 0
    assert found.notes == ("speech declares no memory; it counts as none.",)


def test_sglang_takes_its_fraction_of_what_is_free_whatever_it_serves() -> None:
    alone, beside = (
        estimate(Model("chat", Engine("sglang"), "nobody/knows"), MI300X, others_bytes=[held]) for held in (0, 100 * GB)
    )
    assert alone.basis == "budget"
    assert alone.shares[0].kv_cache_bytes - beside.shares[0].kv_cache_bytes == pytest.approx(
        0.867 * 100 * GB, rel=0.001
    )
