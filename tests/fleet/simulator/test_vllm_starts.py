from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from fleet.simulator.physics import Phase

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
DEEPCODER = "agentica-org/DeepCoder-14B-Preview"
DEVSTRAL = "mistralai/Devstral-Small-2505"
GEMMA = "google/gemma-3-27b-it"
QWEN = "Qwen/Qwen3-32B"
QWEN_235B = "Qwen/Qwen3-235B-A22B"

UTILIZATION, LENGTH = "--gpu-memory-utilization", "--max-model-len"


def too_long(length: int, tokens: int) -> str:
    return (
        f"ValueError: The model's max seq len ({length}) is larger than the maximum number of tokens that can be "
        f"stored in KV cache ({tokens}). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` "
        "when initializing the engine."
    )


def test_a_start_prints_what_the_v0_engine_prints(bench: Bench) -> None:
    text = bench.log(bench.vllm(LLAMA_8B, UTILIZATION, "0.5"))
    for line in (
        "Initializing a V0 LLM engine (v0.9.0)",
        "Model loading took 15.3047 GiB and ",
        "the current vLLM instance can use total_gpu_memory (191.98GiB) x gpu_memory_utilization (0.50) = 95.99GiB",
        "model weights take 15.30GiB; non_torch_memory takes 0.6",
        "# rocm blocks: 403",
        "Maximum concurrency for 131072 tokens per request: 4.9",
        "Graph capturing finished in ",
        "INFO:     Application startup complete.",
    ):
        assert line in text


def test_memory_ramps_peaks_and_settles(bench: Bench) -> None:
    run = bench.begin("/opt/vllm/bin/vllm", "serve", LLAMA_8B, UTILIZATION, "0.5", gpus="0")
    held = [0.0]
    while run.phase is Phase.LOADING:
        bench.machine.advance(bench.machine.next_event)
        if held[-1] != (now := round(bench.held(run, 0), 2)):
            held.append(now)
    context, *loading = held[1:7]
    profiled, resting = held[7:9]
    assert context == 0.33
    assert loading == sorted(loading)
    assert loading[-1] == pytest.approx(15.63, abs=0.02)
    assert profiled == pytest.approx(17.5, abs=0.1)
    assert resting == pytest.approx(95.1, abs=0.2)  # the peak is given back, the pool taken
    assert held[-1] == pytest.approx(95.8, abs=0.2)  # graphs lie outside the budget


def gemma_at_ease(bench: Bench) -> None:
    """Gemma on GPU 7, up for so long that its traffic has nothing more to take."""
    bench.vllm(GEMMA, UTILIZATION, "0.6", LENGTH, "32768", gpus="7")
    bench.machine.advance(bench.machine.now + 500)


def test_qwen_at_0_37_is_refused_for_its_length_in_vllms_words(bench: Bench) -> None:
    gemma_at_ease(bench)
    run = bench.vllm(QWEN, UTILIZATION, "0.37", LENGTH, "40960", gpus="7")
    assert run.phase is Phase.ENDED
    assert run.status == 1
    tokens = int(bench.log(run).rpartition("stored in KV cache (")[2].partition(")")[0])
    assert tokens == pytest.approx(32_700, abs=500)
    assert too_long(40960, tokens) in bench.log(run)
    last = bench.log(run).splitlines()[-1]
    assert last == "RuntimeError: Engine process failed to start. See stack trace for the root cause."


def test_qwen_at_0_38_is_still_just_too_small(bench: Bench) -> None:
    assert bench.vllm(QWEN, UTILIZATION, "0.38", LENGTH, "40960").phase is Phase.ENDED


def test_a_length_that_turns_chunked_prefill_off_needs_more_room_than_a_longer_one(bench: Bench) -> None:
    assert bench.vllm(QWEN, UTILIZATION, "0.37", LENGTH, "32000").phase is Phase.ENDED


@pytest.mark.parametrize(
    "flags",
    [
        (UTILIZATION, "0.39", LENGTH, "40960"),
        (UTILIZATION, "0.37", LENGTH, "21000"),
        (UTILIZATION, "0.37", LENGTH, "40960", "--kv-cache-dtype", "fp8"),
        (f"{UTILIZATION}=0.39", f"{LENGTH}=40960"),
    ],
)
def test_each_way_out_of_that_refusal_serves_beside_gemma(bench: Bench, flags: tuple[str, ...]) -> None:
    gemma_at_ease(bench)
    assert bench.vllm(QWEN, *flags, gpus="7").phase is Phase.SERVING


def test_llama_70b_at_0_85_has_room_for_97k_tokens_only(bench: Bench) -> None:
    run = bench.vllm(LLAMA_70B, UTILIZATION, "0.85")
    assert run.phase is Phase.ENDED
    tokens = int(bench.log(run).rpartition("stored in KV cache (")[2].partition(")")[0])
    assert tokens == pytest.approx(97_000, abs=500)


def test_gemma_without_a_length_is_refused(bench: Bench) -> None:
    run = bench.vllm(GEMMA, UTILIZATION, "0.6")
    assert "max seq len (131072) is larger than" in bench.log(run)


def test_weights_beyond_the_budget_leave_no_cache(bench: Bench) -> None:
    run = bench.vllm(LLAMA_70B, UTILIZATION, "0.6")
    assert "ValueError: No available memory for the cache blocks." in bench.log(run)


def test_fp8_cache_holds_twice_the_tokens(bench: Bench) -> None:
    plain = bench.vllm(LLAMA_8B, UTILIZATION, "0.5").load
    small = bench.vllm(LLAMA_8B, UTILIZATION, "0.5", "--kv-cache-dtype", "fp8", gpus="1").load
    assert plain is not None
    assert small is not None
    assert small.serving.kv_tokens == pytest.approx(2 * plain.serving.kv_tokens, rel=0.005)


def test_fewer_sequences_give_the_cache_more_room(bench: Bench) -> None:
    many = bench.vllm(LLAMA_8B, UTILIZATION, "0.5").load
    few = bench.vllm(LLAMA_8B, UTILIZATION, "0.5", "--max-num-seqs", "16", gpus="1").load
    assert many is not None
    assert few is not None
    assert few.serving.kv_tokens > many.serving.kv_tokens


def test_the_coders_with_graphs_do_not_fit_together(benches: Callable[[int], Bench]) -> None:
    for seed in range(5):
        bench = benches(seed)
        assert bench.vllm(DEEPCODER, UTILIZATION, "0.5", gpus="1").phase is Phase.SERVING
        run = bench.vllm(DEVSTRAL, UTILIZATION, "0.5", LENGTH, "80000", gpus="1")
        assert run.phase is Phase.ENDED
        assert "torch.OutOfMemoryError: HIP out of memory. Tried to allocate" in bench.log(run)
        eager = bench.vllm(DEVSTRAL, UTILIZATION, "0.5", LENGTH, "80000", "--enforce-eager", gpus="1")
        assert eager.phase is Phase.SERVING


def test_weights_larger_than_what_is_free_run_out_while_loading(bench: Bench) -> None:
    bench.vllm(LLAMA_70B, UTILIZATION, "0.97", gpus="2")
    run = bench.vllm(GEMMA, UTILIZATION, "0.6", LENGTH, "32768", gpus="2")
    text = bench.log(run)
    assert "GPU 0 has a total capacity of 191.98 GiB of which" in text
    assert "Model loading took" not in text
    bench.machine.advance(bench.machine.now + 10)
    assert bench.held(run, 2) == 0
    assert bench.used(2) == pytest.approx(187.4, abs=0.3)


def test_a_model_on_four_gpus_holds_a_share_on_each(bench: Bench) -> None:
    run = bench.vllm(QWEN_235B, "--tensor-parallel-size", "4", gpus="4,5,6,7")
    assert run.phase is Phase.SERVING
    assert [bench.held(run, gpu) > 150 for gpu in range(8)] == [False] * 4 + [True] * 4


def test_a_model_larger_than_one_gpu_runs_out(bench: Bench) -> None:
    assert "HIP out of memory" in bench.log(bench.vllm(QWEN_235B, gpus="0"))


def test_a_model_that_sees_several_gpus_uses_only_the_first_without_tensor_parallelism(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, UTILIZATION, "0.5", gpus="5,6")
    assert (bench.held(run, 5) > 0, bench.held(run, 6) > 0) == (True, False)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ("--tensor-parallel-size", "3"),
            "Total number of attention heads (32) must be divisible by tensor parallel size (3).",
        ),
        (
            ("--tensor-parallel-size", "2"),
            "please set tensor_parallel_size (2) to less than max local gpu count (1)",
        ),
        ((LENGTH, "200000"), "User-specified max_model_len (200000) is greater than the derived max_model_len"),
        (("--max-num-seqs", "4096"), "must be greater than or equal to max_num_seqs (4096)."),
        ((UTILIZATION, "1.2"), "GPU memory utilization must be less than 1.0. Got 1.2."),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_is_loaded(
    bench: Bench, flags: tuple[str, ...], sentence: str
) -> None:
    run = bench.vllm(LLAMA_8B, *flags)
    assert run.status == 1
    assert sentence in bench.log(run)
    assert bench.used(0) < 0.3


def test_a_value_that_is_no_number_ends_with_a_usage_error(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, UTILIZATION, "half")
    assert run.status == 2
    assert "argument --gpu-memory-utilization: invalid float value: 'half'" in bench.log(run)


def test_an_unknown_model_is_not_found(bench: Bench) -> None:
    run = bench.vllm("nobody/nothing")
    assert run.status == 1
    assert "OSError: nobody/nothing is not a local folder" in bench.log(run)


def test_without_a_gpu_vllm_ends(bench: Bench) -> None:
    assert "No HIP GPUs are available" in bench.log(bench.vllm(LLAMA_8B, gpus="8"))


def test_a_neighbour_that_loads_meanwhile_is_charged_to_the_one_that_profiles(bench: Bench) -> None:
    alone = bench.vllm(DEEPCODER, UTILIZATION, "0.45", gpus="0").load
    assert alone is not None
    first = bench.begin("/opt/vllm/bin/vllm", "serve", DEEPCODER, UTILIZATION, "0.45", gpus="1")
    bench.machine.advance(bench.machine.now + 8)
    second = bench.begin("/opt/vllm/bin/vllm", "serve", LLAMA_8B, UTILIZATION, "0.3", gpus="1")
    bench.settled(first)
    bench.settled(second)
    assert first.load is None or first.load.serving.kv_tokens < alone.serving.kv_tokens * 0.8


def test_a_neighbour_that_stops_meanwhile_breaks_the_profiling(bench: Bench) -> None:
    leaving = bench.vllm(DEVSTRAL, UTILIZATION, "0.5", LENGTH, "80000", "--enforce-eager", gpus="1")
    coming = bench.begin("/opt/vllm/bin/vllm", "serve", LLAMA_8B, UTILIZATION, "0.3", gpus="1")
    bench.machine.advance(bench.machine.now + 11)
    bench.machine.stop(leaving)
    assert "AssertionError: Error in memory profiling. Initial used memory" in bench.log(bench.settled(coming))


def test_versions_with_a_free_memory_check_refuse_the_second_half(bench: Bench) -> None:
    bench.vllm(DEEPCODER, UTILIZATION, "0.5", gpus="1", version="0.9.2")
    run = bench.vllm(DEVSTRAL, UTILIZATION, "0.5", LENGTH, "80000", "--enforce-eager", gpus="1", version="0.9.2")
    text = bench.log(run)
    assert "Free memory on device (9" in text
    assert "/191.98 GiB) on startup is less than desired GPU memory utilization (0.5, 95.99 GiB)." in text
    assert text.splitlines()[-1].startswith("RuntimeError: Engine core initialization failed.")


def test_the_newest_version_prints_v1_lines(bench: Bench) -> None:
    text = bench.log(bench.vllm(LLAMA_8B, UTILIZATION, "0.5", version="0.33.0"))
    assert "Available KV cache memory: " in text
    assert "GPU KV cache size: " in text


def test_the_port_of_another_service_is_refused(bench: Bench) -> None:
    first = bench.start("/opt/docling/bin/docling-serve", "run", gpus="0")
    argv = ("/opt/docling/bin/docling-serve", "run", "--port", str(first.port))
    second = bench.settled(bench.machine.start("b.service", argv, {}, first.launch.version))
    assert second.status == 1
    assert "Address already in use" in bench.log(second)
    assert first.phase is Phase.SERVING


def test_a_stopped_engine_gives_its_memory_back_a_little_later(bench: Bench) -> None:
    run = bench.vllm(LLAMA_8B, UTILIZATION, "0.5")
    bench.machine.stop(run)
    while run.phase is not Phase.ENDED:
        bench.machine.advance(bench.machine.next_event)
    assert bench.held(run, 0) == 0
    assert bench.used(0) > 90
    bench.machine.advance(bench.machine.now + 10)
    assert bench.used(0) < 0.3


def test_a_faster_machine_prints_the_same_seconds(bench: Bench) -> None:
    bench.machine.speed = 15
    began = bench.machine.now
    run = bench.vllm(LLAMA_70B, UTILIZATION, "0.97")
    assert 5 < bench.machine.now - began < 8
    assert "Loading weights took 56.00 seconds" in bench.log(run)


def test_the_same_seed_gives_the_same_start(benches: Callable[[int], Bench]) -> None:
    one, two, three = (benches(seed) for seed in (4, 4, 5))
    texts = [bench.log(bench.vllm(LLAMA_8B)) for bench in (one, two, three)]
    assert texts[0] == texts[1] != texts[2]
