"""What an endpoint says, in words an operator reads."""

from __future__ import annotations

import pytest

from fleet.readings import EngineReading, EngineWord, Sleep
from widgets.endpoint import endpoint_lines, pace, seconds, speed

BUSY_CHAT = EngineReading(
    healthy=True,
    word=EngineWord.READY,
    sleep=Sleep.AWAKE,
    running=28,
    waiting=1,
    tokens_per_second=1242.6,
    prompt_tokens_per_second=7633.0,
    requests_per_second=0.7567,
    errors=0,
    preemptions=3,
    ttft_p50_seconds=0.816,
    ttft_p95_seconds=2.21,
    inter_token_p50_seconds=0.0379,
    inter_token_p95_seconds=0.049,
    cache_block_size=16,
    cache_blocks=40_346,
    cache_dtype="auto",
)


def test_all_it_says_is_told_and_nothing_else() -> None:
    assert [words for words, _ in endpoint_lines(BUSY_CHAT)] == [
        "28 running, 1 waiting, 1,243 tokens/s, 7,633 prompt tokens/s, 0.76 requests/s, 3 preemptions",
        "p50 and p95 of the last minute: first token 0.82 s and 2.2 s, between tokens 38 ms and 49 ms",
        "KV cache by the engine's own count: 40,346 blocks of 16 tokens, dtype auto",
    ]
    assert endpoint_lines(EngineReading(healthy=True)) == []


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        (EngineReading(word=EngineWord.DEAD), "the endpoint says its engine is dead"),
        (EngineReading(word=EngineWord.LOADING), "the endpoint says it is loading"),
        (EngineReading(word=EngineWord.BUSY), "the endpoint is too busy to answer; its last figures are shown"),
        (EngineReading(sleep=Sleep.WEIGHTS_OFFLOADED), "the model is put away: weights offloaded"),
    ],
)
def test_what_is_out_of_the_ordinary_comes_first(engine: EngineReading, line: str) -> None:
    assert endpoint_lines(engine) == [(line, "warning")]


def test_a_router_names_what_it_holds() -> None:
    assert endpoint_lines(EngineReading(loaded_models=("a", "b"))) == [("loaded now: a, b", "text")]


def test_the_pace_is_tokens_and_the_first_of_them_or_requests_and_the_whole_of_them() -> None:
    assert pace(BUSY_CHAT) == ["1,243 tok/s", "TTFT p95 2.2 s"]
    assert pace(EngineReading(requests_per_second=23.4, end_to_end_p95_seconds=0.06)) == [
        "23 requests/s",
        "each p95 60 ms",
    ]
    assert pace(EngineReading(tokens_per_second=0.0)) == ["0 tok/s"]
    assert pace(EngineReading(healthy=True)) == []


def test_the_pace_begins_with_what_explains_it() -> None:
    assert pace(EngineReading(sleep=Sleep.ALL_DISCARDED, tokens_per_second=0.0)) == ["all discarded", "0 tok/s"]
    assert pace(EngineReading(word=EngineWord.BUSY)) == ["busy"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0021, "2.1 ms"), (0.0386, "39 ms"), (0.684, "0.68 s"), (4.26, "4.3 s"), (68.7, "69 s")],
)
def test_times_have_two_digits_that_count(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.4237, "0.42"), (7.6, "7.6"), (1103.9, "1,104")])
def test_rates_are_whole_where_they_are_large(value: float, text: str) -> None:
    assert speed(value) == text
