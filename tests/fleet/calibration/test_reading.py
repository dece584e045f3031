"""What engines print while they start, of every era, read back. The lines are as published logs have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.calibration.reading import LINES, SPEAKERS, last_complete, printed, read_starts
from fleet.startup import Ending, Size, Startup
from fleet.units import GiB, MiB

SERVES = "INFO:     Application startup complete."


def log(name: str) -> str:
    return (Path(__file__).parent / "logs" / f"{name}.log").read_text(encoding="utf-8").rstrip("\n")


V0_EARLY = log("vllm-0.6.0")
V0_WHOLE_CARD = log("vllm-0.6.4")
V0_LATE = log("vllm-0.9.2.dev364-rocm")
V1_TWO_RANKS = log("vllm-0.11.0-two-ranks")
V1_ALL_SAID = log("vllm-0.19.0-debug")
V1_CONSUMED = log("vllm-0.29.0-debug")
LLAMA = log("llama.cpp-b6123")
SGLANG = log("sglang")


def only(engine: str, said: str) -> Startup:
    (start,) = read_starts(engine, said)
    return start


def gib(size: Size | None) -> float | None:
    return None if size is None else round(size.bytes / GiB, 4)


def test_early_v0_says_its_weights_and_its_blocks() -> None:
    start = only("vllm", V0_EARLY)
    assert (start.build, start.ending, start.cache_blocks) == ("0.6.0", Ending.STARTED, 27876)
    assert [gib(rank.weights) for rank in start.ranks] == [14.9595]
    assert start.ranks[0].graphs is None, "the line tells no size before 0.6.3"


def test_of_0_6_4_the_activations_are_the_peak_without_the_weights() -> None:
    (rank,) = only("vllm", V0_WHOLE_CARD).ranks
    assert (gib(rank.activations), gib(rank.non_torch), gib(rank.cache)) == (0.3288, 0.73, 122.71)


def test_late_v0_says_every_part_and_the_weights_most_exactly_once() -> None:
    start = only("vllm", V0_LATE)
    (rank,) = start.ranks
    assert rank.weights == Size(round(15.3047 * GiB), 53688)
    assert (gib(rank.activations), gib(rank.non_torch), gib(rank.graphs)) == (14.63, 0.66, 0.21)
    assert (start.cache_blocks, start.max_model_len, start.max_concurrency) == (62971, 131072, 7.69)
    assert start.build == "0.9.2.dev364+gb432b7a28"


def test_each_rank_keeps_its_own_numbers_in_the_order_of_ranks() -> None:
    start = only("vllm", V1_TWO_RANKS)
    assert [rank.speaker for rank in start.ranks] == ["Worker_TP0", "Worker_TP1"]
    assert [gib(rank.weights) for rank in start.ranks] == [74.281, 74.28]
    assert (start.cache_tokens, start.max_concurrency) == (973_216, 14.74)


def test_a_size_in_bytes_is_exact_and_beats_the_rounded_one() -> None:
    second = only("vllm", V1_TWO_RANKS).ranks[1]
    assert second.cache == Size(47_878_721_024, 0)


def test_where_it_is_told_to_log_everything_v1_says_every_part() -> None:
    start = only("vllm", V1_ALL_SAID)
    (rank,) = start.ranks
    assert [gib(size) for size in (rank.weights, rank.activations, rank.non_torch, rank.graphs, rank.cache)] == [
        14.99, 1.89, 0.25, 0.91, 58.11,
    ]  # fmt: skip


def test_from_0_27_what_is_consumed_holds_the_weights() -> None:
    start = only("vllm", V1_CONSUMED)
    assert gib(start.ranks[0].non_torch) == 0.7
    assert (start.cache_tokens, start.max_model_len, start.max_concurrency) == (41_232, 8192, 5.03)


def test_buffers_of_one_device_add_up_and_those_of_the_host_do_not_count() -> None:
    start = only("llama.cpp", LLAMA)
    assert [rank.speaker for rank in start.ranks] == ["ROCm0", "ROCm1"]
    assert start.ranks[0].cache == Size(4352 * MiB, 2 * 5243)
    assert [rank.activations and rank.activations.bytes for rank in start.ranks] == [552 * MiB, None]
    assert (start.build, start.cache_tokens, start.ending) == ("6123 (79c1160b0)", 65536, Ending.STARTED)


def test_sglang_speaks_by_rank_and_its_keys_and_values_add_up() -> None:
    start = only("sglang", SGLANG)
    first, second = start.ranks
    assert (gib(first.weights), gib(first.cache), gib(first.graphs), gib(second.weights)) == (89.58, 26.4, 1.93, 89.57)
    assert (start.cache_tokens, start.max_model_len) == (430_913, 4096)


@pytest.mark.parametrize("said", [V0_EARLY, V0_LATE, V1_TWO_RANKS, V1_CONSUMED])
def test_colours_noise_and_the_order_of_ranks_change_nothing(said: str) -> None:
    first, *middle, last = said.splitlines()
    noise = ["", "Traceback? no.", "\x1b[2K\rLoading shards:  50%", "Model loading took a while", "% complete (GiB)"]
    shuffled = [first, *noise, *(f"\x1b[36m{line}\x1b[0m" for line in reversed(middle)), last]
    read, plain = only("vllm", "\n".join(shuffled)), only("vllm", said)
    assert (read.ranks, read.cache_tokens, read.cache_blocks) == (plain.ranks, plain.cache_tokens, plain.cache_blocks)


def test_several_starts_in_one_log_are_kept_apart_and_the_newest_that_came_up_counts() -> None:
    refused = V0_LATE.replace(SERVES, "").replace("15.3047", "15.3100").replace("init engine", "")
    refused += (
        "ERROR [core.py:396] ValueError: No available memory for the cache blocks. Try increasing "
        "`gpu_memory_utilization` when initializing the engine.\n"
    )
    starts = read_starts("vllm", "\n".join((V0_EARLY, "INFO: 10.0.0.1 - GET /health", V0_LATE, refused)))
    assert [start.ending for start in starts] == [Ending.STARTED, Ending.STARTED, Ending.REFUSED]
    newest = last_complete(starts)
    assert newest is not None
    assert newest.build == "0.9.2.dev364+gb432b7a28"
    assert gib(newest.ranks[0].weights) == 15.3047
    assert starts[-1].sentence.startswith("No available memory for the cache blocks. Try increasing")


@pytest.mark.parametrize(
    ("line", "ending"),
    [
        ("ValueError: Free memory on device (90.1/191.98 GiB) on startup is less than desired GPU memory utilization "
         "(0.5, 95.99 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
         Ending.REFUSED),
        ("ValueError: To serve at least one request with the model's max seq len (40960), (10.0 GiB KV cache is",
         Ending.REFUSED),
        ("ValueError: The model's max seq len (131072) is larger than the maximum number of tokens", Ending.REFUSED),
        ("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 1.16 GiB.", Ending.OOM),
    ],
)  # fmt: skip
def test_a_refusal_is_kept_in_the_engines_words(line: str, ending: Ending) -> None:
    start = only("vllm", f"vLLM API server version 0.9.2\n(EngineCore_0 pid=7) ERROR 07-20 [core.py:515] {line}\n")
    assert start.ending is ending
    assert line.endswith(start.sentence)


def test_a_start_whose_profile_was_disturbed_says_so() -> None:
    start = only(
        "vllm",
        "Model loading took 15.30 GiB and 1.0 seconds\nAssertionError: Error in memory profiling. Initial free memory "
        "95.1 GiB, current free memory 99.0 GiB. This happens when other processes sharing the same container",
    )
    assert start.disturbed


def test_the_time_of_the_journal_tells_how_long_a_start_took() -> None:
    stamped = [f"[{1000 + 10 * n:12.6f}] gpu01 vllm[4711]: {line}" for n, line in enumerate(V0_EARLY.splitlines())]
    start = only("vllm", "\n".join(stamped))
    assert (start.began, start.ended, start.seconds) == (1000.0, 1050.0, 50.0)
    assert start.cache_blocks == 27876


def test_without_times_the_engine_s_own_count_holds() -> None:
    assert only("vllm", V0_LATE).seconds == pytest.approx(12.1 + 30.44)


def test_a_plan_of_an_earlier_start_is_exact_and_its_place_is_kept() -> None:
    start = only(
        "vllm",
        "Saved startup plan to /root/.cache/vllm/startup_plan/startup_plan_00112233445566ff.json\n"
        "Applying persisted startup plan (fingerprint 00112233445566ff): kv_cache_memory_bytes=53687091200 "
        f"(50.00 GiB), recorded free-memory baseline 78.00 GiB, current 78.10 GiB.\n{SERVES}",
    )
    assert start.ranks[0].cache == Size(50 * GiB)
    assert start.planned
    assert start.plan_path == "/root/.cache/vllm/startup_plan/startup_plan_00112233445566ff.json"


def test_graphs_of_less_than_nothing_are_no_measurement() -> None:
    assert not only("vllm", f"Graph capturing finished in 12 secs, took -0.88 GiB\n{SERVES}").ranks


def test_requests_after_a_start_teach_nothing() -> None:
    late = "prompt: Model loading took 1.0000 GiB and 1.0 seconds"
    assert only("vllm", f"{V0_EARLY}\n{late}") == only("vllm", V0_EARLY)


def test_a_user_s_prompt_in_the_log_begins_no_start() -> None:
    words = "INFO 09-05 10:20:00 logger.py:36] Received request cmpl-1: prompt: '"
    forged = "INFO 09-05 10:12:01 api_server.py:459] vLLM API server version 9.9.9 Model loading took 1.0000 GB"
    for prompt in (f"{words}{forged} {SERVES}'", f"{words}\\n{forged} {SERVES}'", f"prompt: {forged} {SERVES}"):
        assert read_starts("vllm", f"{V0_EARLY}\n{prompt}\n") == read_starts("vllm", V0_EARLY)


def test_the_banner_of_late_versions_tells_the_build() -> None:
    line = "(APIServer pid=16048) INFO 11-21 00:18:03 [api_utils.py:347]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.32.0"
    assert only("vllm", f"{line}\n{SERVES}").build == "0.32.0"


def test_a_printed_size_is_off_by_half_its_last_digit() -> None:
    assert printed("14.99", GiB) == Size(round(14.99 * GiB), 5368710)
    assert printed("512", MiB) == Size(512 * MiB, MiB // 2)


def test_an_engine_whose_lines_are_not_known_says_nothing() -> None:
    assert read_starts("whisper", V0_LATE) == ()


@given(st.text(max_size=2000))
def test_no_text_makes_it_fail(text: str) -> None:
    for engine in ("vllm", "llama.cpp", "sglang"):
        read_starts(engine, f"Model loading took {text}\n(Worker_TP{text} pid=1) # GPU blocks: {text}\n[{text}]")


def test_a_log_without_end_is_read_no_further_than_its_beginning() -> None:
    def flood() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            assert number <= LINES + 1
            yield f"(Worker_TP{number} pid={number}) Model loading took 1.00 GiB " + "(" * 5000

    (start,) = read_starts("vllm", flood())
    assert len(start.ranks) <= SPEAKERS
