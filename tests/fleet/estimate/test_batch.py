"""Many starts answered at once: recorded start-ups, records that say little, and records that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.architecture.catalogue import Catalogue
from fleet.errors import UsageError
from fleet.estimate.batch import answer, answers

STARTS = Path(__file__).parents[2] / "benchmarks" / "data" / "vllm_starts.yaml"
KEYS = [
    "id", "weights_gib", "activation_peak_gib", "non_torch_gib", "cudagraph_gib", "available_kv_gib", "kv_blocks",
    "kv_tokens", "max_concurrency", "est_max_model_len", "outcome", "refusal", "error", "notes",
]  # fmt: skip


def recorded() -> list[Mapping[str, Any]]:
    """Every start-up of the benchmark's records."""
    with STARTS.open("rb") as file:
        found: list[Mapping[str, Any]] = yaml.load(file, Loader=yaml.CSafeLoader)
    return found


def asked(**changes: object) -> Mapping[str, Any]:
    """One record, all of it told."""
    return {
        "id": "a",
        "vllm_version": "0.19.0",
        "engine": "V1",
        "model": "meta-llama/Llama-3.1-8B-Instruct",
        "gpu": "NVIDIA H100 80GB",
        "gpu_count": 1,
        "gpu_total_gib": 79.19,
        "tensor_parallel_size": 1,
        "gpu_memory_utilization": 0.95,
        "max_model_len": 8192,
        "max_num_seqs": 1024,
        "max_num_batched_tokens": 8192,
        **changes,
    }


def test_an_answer_has_exactly_the_keys_of_the_contract() -> None:
    said = answer(asked(), Catalogue())
    assert list(said) == KEYS
    assert said["error"] is None and said["refusal"] is None and said["outcome"] == "started"


def test_llama_on_an_h100_is_answered_as_vllm_0_19_printed_it() -> None:
    said = answer(asked(), Catalogue())
    assert said["weights_gib"] == pytest.approx(14.99, abs=0.01)
    assert said["activation_peak_gib"] == pytest.approx(1.89, abs=0.01)
    assert said["available_kv_gib"] == pytest.approx(58.11, abs=0.01)
    assert said["kv_tokens"] == pytest.approx(476_016, rel=1e-4)


@pytest.mark.parametrize(
    ("record_id", "measure", "within"),
    [
        ("lpa-deepseek-v2-lite-chat-tp1-8192", "kv_tokens", 0.001),
        ("lpa-gemma-2-27b-it-tp1-8192", "kv_tokens", 0.001),
        ("lpa-gemma-3-4b-it-tp1-8192", "kv_tokens", 0.002),
        ("lpa-mixtral-8x7b-instruct-v0-1-tp2-8192", "kv_tokens", 0.001),
        ("lpa-llama-3-1-8b-instruct-tp1-8192-kvfp8-bfloat16", "kv_tokens", 0.001),
        ("lpa-llama-3-1-8b-instruct-tp1pp2-8192", "kv_tokens", 0.001),
        ("tiara-m1-seed-oss-36b-v0280-int4_per_token_head", "kv_tokens", 0.002),
        ("tiara-llama31-8b-mi300x-fp8_per_token_head", "kv_tokens", 0.002),
        ("cmontemuino-llama31-8b-mi300x-u90", "kv_blocks", 0.004),
        ("v15394-opt125m-h200-v0", "weights_gib", 0.005),
        ("v20069-whisper-turbo-mi300x", "kv_blocks", 0.004),
        ("v19736-qwen2audio7b-80gb", "activation_peak_gib", 0.01),
        ("v11899-qwen2vl7b-awq-24gb-fp8kv", "activation_peak_gib", 0.03),
        ("recipes-kimi-k2-thinking-tp8-dcp8", "kv_tokens", 0.02),
    ],
)
def test_a_recorded_start_is_reckoned_as_it_was_printed(record_id: str, measure: str, within: float) -> None:
    (record,) = (each for each in recorded() if each["id"] == record_id)
    assert answer(record, Catalogue())[measure] == pytest.approx(record[measure], rel=within)


def test_all_recorded_starts_together_stay_within_what_the_readme_says() -> None:
    errors = []
    for record in recorded():
        if record["tier"] == "A" and record.get("kv_tokens"):
            said = answer(record, Catalogue())
            tokens = said["kv_tokens"]
            assert isinstance(tokens, int)
            errors.append(abs(tokens / record["kv_tokens"] - 1))
    errors.sort()
    assert errors[len(errors) // 2] < 0.005
    assert errors[int(0.9 * len(errors))] < 0.11


def test_a_refusal_is_the_engines_sentence_with_the_length_that_would_fit() -> None:
    said = answer(asked(gpu_memory_utilization=0.25, max_model_len=131_072), Catalogue())
    assert said["outcome"] == "refused"
    longest = said["est_max_model_len"]
    assert isinstance(longest, int) and 0 < longest < 131_072
    assert f"the estimated maximum model length is {longest}. Try increasing `gpu_memory_utilization`" in str(
        said["refusal"]
    )


def test_what_an_operator_added_in_words_counts() -> None:
    plain = answer(asked(), Catalogue())
    shared = answer(
        asked(other_flags="--decode-context-parallel-size 1; VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS=1"), Catalogue()
    )
    assert shared["available_kv_gib"] < plain["available_kv_gib"]  # type: ignore[operator]


def test_an_architecture_nobody_knew_is_reckoned_once_its_config_is_given() -> None:
    config = {
        "model_type": "llama", "num_hidden_layers": 16, "hidden_size": 2048, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": True,
        "max_position_embeddings": 131072,
    }  # fmt: skip
    record = asked(model="somebody/something-1b")
    assert answer(record, Catalogue())["error"] == "The architecture of somebody/something-1b is not known."
    said = answer(record, Catalogue({"somebody/something-1b": config}))
    assert said["error"] is None
    assert said["weights_gib"] == pytest.approx(1_235_814_400 * 2 / 2**30, rel=0.02)


def test_an_alias_names_an_entry() -> None:
    catalogue = Catalogue({"__aliases__": {"our llama": "meta-llama/Llama-3.1-8B-Instruct"}})
    assert answer(asked(model="our llama"), catalogue)["error"] is None


def test_entries_that_are_each_others_base_are_an_error_and_no_endless_search() -> None:
    catalogue = Catalogue({"a": {"base": "b"}, "b": {"base": "a"}})
    assert "is its own base" in str(answer(asked(model="a"), catalogue)["error"])


@pytest.mark.parametrize(
    "changes",
    [
        {"model": None},
        {"gpu": None, "gpu_total_gib": None},
        {"gpu_total_gib": "much"},
        {"tensor_parallel_size": "two"},
        {"gpu_count": "all"},
    ],
)
def test_a_record_that_makes_no_sense_says_why_and_leaves_the_others_alone(changes: dict[str, object]) -> None:
    wrong, right = answers([asked(**changes), asked(id="b")], Catalogue())
    assert isinstance(wrong["error"], str) and wrong["error"].endswith(".")
    assert list(wrong) == KEYS and wrong["outcome"] is None
    assert right["error"] is None


@pytest.mark.parametrize("records", ["text", {"id": 1}, [1, 2], None])
def test_a_batch_that_is_no_list_of_records_is_refused(records: object) -> None:
    with pytest.raises(UsageError, match="not a list of records"):
        answers(records, Catalogue())


def test_every_record_with_a_known_gpu_and_architecture_is_answered() -> None:
    unanswered = {str(each["id"]) for each in answers(recorded(), Catalogue()) if each["error"]}
    assert unanswered == {"recipes-inkling-small-mxfp4-mi355x-tp1"}  # nobody published its shape


def test_what_a_record_does_not_tell_is_assumed_and_said() -> None:
    said = answer(asked(gpu="a GPU in somebody's cloud", gpu_total_gib=None, vllm_version=None), Catalogue())
    assert said["error"] is None
    assert said["notes"] == [
        'The GPU "a GPU in somebody\'s cloud" is not known; reckoned as H100.',
        "The version is not told; reckoned as vLLM 0.19.1.",
    ]


@pytest.mark.parametrize("field", ["gpu_count", "tensor_parallel_size"])
def test_more_gpus_than_anybody_has_are_not_reckoned_with(field: str) -> None:
    said = answer(asked(**{field: 10**11}), Catalogue())
    assert said["outcome"] is None
    assert said["error"] == "100,000,000,000 GPUs are asked for, and at most 4,096 are reckoned with."
