"""Embedding models and rerankers: weights, a context, and the warm-up batch they keep."""

from __future__ import annotations

import pytest

from fleet.architecture.config import from_config
from fleet.estimate import Estimate, Outcome
from fleet.estimate.encoders import estimate
from fleet.estimate.measured import End
from fleet.estimate.room import Room
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar
from fleet.units import GiB

BGE_M3 = from_config(
    "BAAI/bge-m3",
    {
        "model_type": "xlm-roberta",
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 250_002,
        "max_position_embeddings": 8194,
    },
)
PARAMETERS = 567_754_752


def reckoned(
    engine: str = "text-embeddings-inference",
    gpu: str = "MI300X",
    others: int = 0,
    end: End = End.CENTRAL,
    **args: Scalar,
) -> Estimate:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    kind = accelerator(gpu)
    model = Model("embed", Engine(engine), BGE_M3.name, args=flags)
    return estimate(model, BGE_M3, Room(kind, (kind.total_bytes,), (others,), end))


def test_weights_are_served_in_16_bit_unless_told_otherwise() -> None:
    assert reckoned().shares[0].weights_bytes == pytest.approx(2 * PARAMETERS, rel=0.003)
    assert reckoned(dtype="float32").shares[0].weights_bytes == pytest.approx(4 * PARAMETERS, rel=0.003)


@pytest.mark.parametrize(
    ("engine", "args", "tokens"),
    [
        ("text-embeddings-inference", {}, 16_384),
        ("text-embeddings-inference", {"max-batch-tokens": 4096}, 4096),
        ("infinity", {}, 32 * 512),
        ("infinity", {"batch-size": 8}, 8 * 512),
    ],
)
def test_the_warm_up_batch_stays_and_its_size_is_the_engines(engine: str, args: dict[str, int], tokens: int) -> None:
    (share,) = reckoned(engine, "MI300X", 0, End.CENTRAL, **args).shares
    batch = 2 * tokens * (8 * 1024 + 3 * 4096)
    assert share.context_bytes == batch + accelerator("MI300X").context_bytes
    assert share.resident_bytes == share.total_bytes


def test_there_is_no_cache() -> None:
    found = reckoned()
    assert found.shares[0].kv_cache_bytes == 0
    assert found.kv_cache_tokens is None and found.needs_free_bytes is None


def test_scores_may_be_kept_where_flash_attention_may_be_missing() -> None:
    scores = 2 * 16_384 * 16 * 8194
    amd, nvidia = (reckoned(gpu=gpu, end=End.HIGH).shares[0].total_bytes for gpu in ("MI300X", "H100"))
    contexts = 1.4 * (accelerator("MI300X").context_bytes - accelerator("H100").context_bytes)
    assert amd - nvidia == pytest.approx(scores + contexts, abs=2)


def test_infinity_may_be_sent_longer_texts_than_it_warmed_up_with() -> None:
    (share,) = reckoned("infinity", end=End.HIGH).shares
    assert share.context_bytes > 2 * 32 * 8192 * (12 * 1024 + 3 * 4096)


def test_with_too_little_room_it_fails_while_it_warms_up() -> None:
    full = accelerator("L4").total_bytes - 1 * GiB
    found = reckoned(gpu="L4", others=full)
    assert found.outcome is Outcome.OOM and found.refusal is not None
    assert found.refusal.sentence == 'DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")'
    held = reckoned("infinity", gpu="L4", others=full)
    assert held.refusal is not None and "CUDA out of memory" in held.refusal.sentence


def test_it_says_what_happens_beside_others() -> None:
    assert "Beside others" in reckoned().notes[0]
