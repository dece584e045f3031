"""ExLlamaV2 fills GPUs in order; two models one after the other, and at once."""

from __future__ import annotations

import pytest

from fleet.architecture.catalogue import find
from fleet.estimate import Estimate, Outcome
from fleet.estimate.autosplit import Module, fill, reserves, split
from fleet.estimate.exllama import estimate, modules
from fleet.estimate.measured import End
from fleet.estimate.room import Room
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar
from fleet.units import GiB, MiB

L4 = accelerator("L4")
LAYER = Module(GiB)


def reckoned(others: tuple[int, ...] = (0, 0), source: str = "Llama-3.1-8B-4.0bpw-exl2", **args: Scalar) -> Estimate:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    architecture = find("meta-llama/Llama-3.1-8B-Instruct")
    assert architecture is not None
    room = Room(L4, (L4.total_bytes,) * len(others), others, End.CENTRAL)
    return estimate(Model("chat", Engine("exllamav2"), source, args=flags), architecture, room)


def counts(filled: tuple[tuple[Module, ...], ...]) -> list[int]:
    return [len(held) for held in filled]


def test_the_first_gpu_is_filled_before_the_second_is_touched() -> None:
    filled = fill([LAYER] * 12, [10 * GiB, 10 * GiB], reserves(Arguments(), 2), 0)
    assert counts(filled.held) == [9, 3]


def test_a_model_that_fits_on_the_first_gpu_leaves_the_second_alone() -> None:
    assert counts(fill([LAYER] * 4, [10 * GiB, 10 * GiB], reserves(Arguments(), 2), 0).held) == [4, 0]


def test_what_is_reserved_holds_back_a_part_of_each_gpu_while_loading() -> None:
    told = reserves(Arguments({"autosplit-reserve": "2048,1024"}), 2)
    assert told == (2048 * MiB, 1024 * MiB)
    assert counts(fill([LAYER] * 12, [10 * GiB, 10 * GiB], told, 0).held) == [7, 5]
    assert reserves(Arguments(), 3) == (192 * MiB, 64 * MiB, 64 * MiB)


def test_too_little_on_all_gpus_together_fails_at_the_end() -> None:
    assert fill([LAYER] * 30, [10 * GiB, 10 * GiB], (0, 0), 0).failure == "Insufficient VRAM for model and cache"


def test_a_gpu_without_room_for_the_reserve_fails_instead_of_being_passed_over() -> None:
    found = reckoned(others=(L4.total_bytes - 600 * MiB, 0), max_seq_len=8192)
    assert found.outcome is Outcome.OOM and found.refusal is not None
    assert found.refusal.sentence == "torch.OutOfMemoryError: CUDA out of memory."


def test_a_manual_split_counts_weights_only_and_starts_from_the_last_gpu() -> None:
    filled = split([Module(GiB, GiB)] * 6, [4.0, 4.0], 0)
    assert counts(filled.held) == [2, 4]
    assert split([LAYER] * 9, [4.0, 4.0], 0).failure == "Insufficient space in device allocation"


def test_bits_a_weight_come_from_the_name() -> None:
    weights = sum(share.weights_bytes for share in reckoned(max_seq_len=8192).shares)
    linear = 8_030_261_248 - 2 * 128_256 * 4096
    assert weights == pytest.approx(linear * 4 / 8 + 128_256 * 4096 * 6 / 8, rel=0.001)


@pytest.mark.parametrize(
    ("mode", "bytes_per_token"), [("FP16", 131_072), ("Q8", 69_632), ("Q6", 53_248), ("Q4", 36_864)]
)
def test_the_cache_is_allocated_whole_in_its_own_type(mode: str, bytes_per_token: int) -> None:
    found = reckoned(max_seq_len=16_384, cache_mode=mode)
    assert sum(share.kv_cache_bytes for share in found.shares) == bytes_per_token * 16_384
    assert found.kv_cache_tokens == found.max_model_len == 16_384


def test_nothing_of_the_reserve_stays_after_the_load() -> None:
    (share, _) = reckoned(max_seq_len=8192).shares
    scratch = 2 * 2048 * (3 * 14_336 + 4 * 4096)
    assert share.context_bytes == L4.context_bytes + scratch


def test_others_move_layers_to_the_next_gpu() -> None:
    alone, beside = reckoned(max_seq_len=8192), reckoned(others=(18 * GiB, 0), max_seq_len=8192)
    assert alone.shares[1].total_bytes == 0
    assert beside.outcome is Outcome.STARTED and beside.shares[1].weights_bytes > GiB


def test_tensor_parallel_splits_by_free_memory() -> None:
    first, second = reckoned(others=(10 * GiB, 0), max_seq_len=8192, tensor_parallel=True).shares
    assert first.weights_bytes < 0.6 * second.weights_bytes


def test_the_embedding_stays_in_host_memory() -> None:
    architecture = find("meta-llama/Llama-3.1-8B-Instruct")
    assert architecture is not None
    loaded = modules(architecture, "Llama-3.1-8B", Arguments({"max-seq-len": 8192}))
    assert len(loaded) == 2 * 32 + 1
    assert sum(module.weights for module in loaded) == pytest.approx(2 * (8_030_261_248 - 128_256 * 4096), rel=0.001)


def test_it_says_what_happens_beside_others() -> None:
    assert "the two race" in reckoned().notes[0]
