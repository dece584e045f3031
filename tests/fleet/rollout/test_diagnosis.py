"""Why an engine did not start, from its log."""

from __future__ import annotations

import pytest

from fleet.rollout.diagnosis import why

TOO_LONG = (
    "ValueError: The model's max seq len (40960) is larger than the maximum number of tokens that can be stored in KV "
    "cache (33120). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (f"INFO 11-21 12:00:00 worker.py:267 model weights take 61.0GiB\nTraceback:\n  File x\n{TOO_LONG}", TOO_LONG),
        (f"ERROR 11-21 12:00:00 [engine.py:448] {TOO_LONG}\nINFO: shutting down", TOO_LONG),
        (
            f"(EngineCore_0 pid=1) {TOO_LONG}\nRuntimeError: Engine core initialization failed. See root cause above. "
            "Failed core proc(s): {'EngineCore_0': 1}\nvllm.service: Failed with result 'exit-code'.",
            TOO_LONG,
        ),
        (
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.",
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.",
        ),
        (
            "llama_model_load: error loading model: unable to allocate ROCm0 buffer\nmain: exiting due to error",
            "llama_model_load: error loading model: unable to allocate ROCm0 buffer",
        ),
        (
            "usage: vllm serve [options]\nvllm serve: error: unrecognized arguments: --max-len 1",
            "vllm serve: error: unrecognized arguments: --max-len 1",
        ),
        ("INFO all is well", ""),
        ("", ""),
        ("\x1b[31mValueError: red\x1b[0m", "ValueError: red"),
    ],
)
def test_the_engines_own_sentence_is_found(log: str, said: str) -> None:
    assert why(log) == said


def test_an_earlier_starts_reason_is_not_this_ones() -> None:
    log = f"Started vllm.service - vLLM.\n{TOO_LONG}\nStarted vllm.service - vLLM.\nINFO loading weights"
    assert why(log) == ""


def test_an_engine_that_says_started_begins_nothing_anew() -> None:
    assert why(f"{TOO_LONG}\nINFO:     Started server process [7]") == TOO_LONG


def test_a_start_nobody_asked_for_belongs_to_the_one_that_failed() -> None:
    log = [
        "Started vllm-a.service.",
        "ValueError: of long ago",
        "Stopped vllm-a.service.",
        "Started vllm-a.service.",
        "ValueError: No available memory for the cache blocks.",
        "vllm-a.service: Scheduled restart job, restart counter is at 1.",
        "Stopped vllm-a.service.",
        "Started vllm-a.service.",
        "INFO loading",
    ]
    assert why("\n".join(log)) == "ValueError: No available memory for the cache blocks."
    assert why("\n".join(log[:4])) == ""


def test_starting_and_started_are_one_start() -> None:
    one = ["Starting llm.service - Of a Quadlet...", "Started llm.service - Of a Quadlet."]
    again = ["ValueError: no", "llm.service: Scheduled restart job, restart counter is at 1.", *one, "INFO loading"]
    assert why("\n".join((*one, *again))) == "ValueError: no"
    assert why("\n".join((*one, "ValueError: of the former", *one, "INFO loading"))) == ""
