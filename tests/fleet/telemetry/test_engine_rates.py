"""Rates and percentiles from what counters and histograms did between two looks."""

from __future__ import annotations

from math import inf

import pytest

from fleet.telemetry.engines.exposition import Series
from fleet.telemetry.engines.rates import Look, Meter, Span, quantile
from fleet.telemetry.engines.vllm import WORDS
from fleet.telemetry.engines.vocabulary import rates

TOKENS = Series("vllm:generation_tokens_total")


def tokens(at: float, count: float) -> Look:
    return Look(at, {TOKENS: count})


def first_tokens(at: float, counts: dict[str, int]) -> Look:
    return Look(
        at,
        {Series("vllm:time_to_first_token_seconds_bucket", (("le", edge),)): count for edge, count in counts.items()},
    )


class TestQuantile:
    """As histogram_quantile of Prometheus 3: the same buckets give the same figures there."""

    @pytest.mark.parametrize(
        ("share", "seconds"),
        [(0.05, 0.05), (0.1, 0.1), (0.5, 0.5), (0.7, 0.75), (0.9, 1.0), (0.95, 1.0), (1.0, 1.0)],
    )
    def test_it_is_linear_within_a_bucket_and_ends_at_the_last_finite_edge(self, share: float, seconds: float) -> None:
        assert quantile({0.1: 10.0, 0.5: 50.0, 1.0: 90.0, inf: 100.0}, share) == pytest.approx(seconds)

    def test_there_is_none_where_nothing_was_seen(self) -> None:
        assert quantile({0.1: 0.0, inf: 0.0}, 0.5) is None

    @pytest.mark.parametrize("buckets", [{}, {inf: 4.0}, {0.1: 3.0, 0.5: 4.0}])
    def test_there_is_none_where_the_buckets_are_not_a_histogram(self, buckets: dict[float, float]) -> None:
        assert quantile(buckets, 0.5) is None

    def test_empty_buckets_before_and_between_do_not_count(self) -> None:
        assert quantile({0.1: 0.0, 0.2: 4.0, 0.3: 4.0, 0.4: 8.0, inf: 8.0}, 0.75) == pytest.approx(0.35)

    def test_buckets_that_fall_count_as_the_one_before(self) -> None:
        assert quantile({0.1: 10.0, 0.2: 4.0, 0.4: 20.0, inf: 20.0}, 0.75) == pytest.approx(0.3)


class TestMeter:
    def test_the_first_look_has_nothing_to_compare_with(self) -> None:
        assert Meter(WORDS.counters).spans(tokens(0, 100)) is None

    def test_the_second_tells_what_happened_since(self) -> None:
        meter = Meter(WORDS.counters)
        meter.spans(tokens(10, 100))
        spans = meter.spans(tokens(12, 300))
        assert spans is not None
        assert rates(WORDS, *spans)["tokens_per_second"] == 100

    def test_a_rate_is_of_the_last_seconds_and_a_latency_of_the_last_minute(self) -> None:
        meter = Meter(WORDS.counters)
        spans = None
        for second in range(0, 200, 2):
            spans = meter.spans(tokens(second, second * 10.0))
        assert spans is not None
        short, long = spans
        assert 5 <= 198 - short.before.at <= 15
        assert 50 <= 198 - long.before.at <= 60

    def test_only_a_few_looks_are_kept_whatever_the_cadence(self) -> None:
        meter = Meter(WORDS.counters)
        for step in range(10_000):
            meter.spans(tokens(step / 10, float(step)))
        assert len(meter._marks) <= 8

    def test_an_engine_that_started_again_has_no_negative_rate(self) -> None:
        meter = Meter(WORDS.counters)
        meter.spans(tokens(0, 5000))
        meter.spans(tokens(2, 6000))
        assert meter.spans(tokens(4, 10)) is None
        spans = meter.spans(tokens(6, 50))
        assert spans is not None
        assert rates(WORDS, *spans)["tokens_per_second"] == 20

    def test_a_gauge_may_fall(self) -> None:
        running = Series("vllm:num_requests_running")
        meter = Meter(WORDS.counters)
        meter.spans(Look(0, {running: 9.0}))
        assert meter.spans(Look(2, {running: 1.0})) is not None

    def test_two_looks_at_one_time_are_one(self) -> None:
        meter = Meter(WORDS.counters)
        meter.spans(tokens(3, 5))
        assert meter.spans(tokens(3, 5)) is None


def test_percentiles_are_of_what_came_between_two_looks_only() -> None:
    before = first_tokens(0, {"0.1": 1000, "0.5": 1000, "2.5": 1000, "+Inf": 1000})
    after = first_tokens(10, {"0.1": 1000, "0.5": 1000, "2.5": 1010, "+Inf": 1010})
    told = rates(WORDS, Span(before, after), Span(before, after))
    assert told["ttft_p50_seconds"] == pytest.approx(1.5)
    assert told["ttft_p95_seconds"] == pytest.approx(2.4)
    assert told["end_to_end_p50_seconds"] is None


def test_no_percentile_where_nothing_happened() -> None:
    look = {"0.1": 7, "+Inf": 7}
    span = Span(first_tokens(0, look), first_tokens(10, look))
    assert rates(WORDS, span, span)["ttft_p50_seconds"] is None


def test_a_series_that_was_not_there_before_does_not_count_as_growth() -> None:
    reasons = [Series("vllm:request_success_total", (("finished_reason", reason),)) for reason in ("stop", "length")]
    span = Span(Look(0, {reasons[0]: 10}), Look(10, {reasons[0]: 30, reasons[1]: 9000}))
    assert rates(WORDS, span, span)["requests_per_second"] == 2


def test_the_buckets_of_all_engines_make_one_histogram() -> None:
    def look(at: float, slow: int) -> Look:
        name = "vllm:time_to_first_token_seconds_bucket"
        fast = {("0", edge): 10 * at for edge in ("1.0", "3.0", "+Inf")}
        counts = fast | {("1", "1.0"): 0, ("1", "3.0"): slow, ("1", "+Inf"): slow}
        return Look(at, {Series(name, (("engine", e), ("le", le))): float(n) for (e, le), n in counts.items()})

    span = Span(look(0, 0), look(1, 10))
    told = rates(WORDS, span, span)
    assert told["ttft_p50_seconds"] == pytest.approx(1.0)
    assert told["ttft_p95_seconds"] == pytest.approx(2.8)
