"""What engines of every era call their figures, and what a page may hold that makes no sense."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.readings import Sleep
from fleet.telemetry.engines import embeddings, sglang
from fleet.telemetry.engines.asking import DIALECTS
from fleet.telemetry.engines.exposition import PAGE_LIMIT, TEXT_LIMIT, parse
from fleet.telemetry.engines.llama_cpp import WORDS as LLAMA
from fleet.telemetry.engines.llama_cpp import _listed
from fleet.telemetry.engines.rates import Look, Span
from fleet.telemetry.engines.vllm import WORDS as VLLM
from fleet.telemetry.engines.vllm import cache_config, sleep_state
from fleet.telemetry.engines.vocabulary import Vocabulary, gauges, rates

V0 = """\
# HELP vllm:num_requests_running Number of requests currently running on GPU.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="x"} 3.0
vllm:num_requests_swapped{model_name="x"} 1.0
vllm:num_requests_waiting{model_name="x"} 2.0
vllm:gpu_cache_usage_perc{model_name="x"} 0.41
vllm:cpu_cache_usage_perc{model_name="x"} 0.9
vllm:gpu_prefix_cache_hit_rate{model_name="x"} -1.0
vllm:num_preemptions_total{model_name="x"} 4.0
vllm:request_success_total{finished_reason="stop",model_name="x"} 10.0
vllm:time_per_output_token_seconds_bucket{le="0.01",model_name="x"} 5.0
vllm:time_per_output_token_seconds_bucket{le="+Inf",model_name="x"} 5.0
"""
BOTH_NAMES = """\
vllm:gpu_cache_usage_perc{engine="0",model_name="x"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="x"} 0.3
vllm:num_requests_running{engine="0",model_name="x"} 5.0
vllm:num_requests_waiting{engine="0",model_name="x"} 0.0
"""
DATA_PARALLEL = """\
vllm:num_requests_running{engine="0",model_name="x"} 3.0
vllm:num_requests_running{engine="1",model_name="x"} 4.0
vllm:num_requests_waiting{engine="0",model_name="x"} 0.0
vllm:num_requests_waiting{engine="1",model_name="x"} 6.0
vllm:num_requests_waiting_by_reason{engine="1",model_name="x",reason="capacity"} 6.0
vllm:kv_cache_usage_perc{engine="0",model_name="x"} 0.1
vllm:kv_cache_usage_perc{engine="1",model_name="x"} 0.7
vllm:num_preemptions_total{engine="0",model_name="x"} 1.0
vllm:num_preemptions_total{engine="1",model_name="x"} 2.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="x"} 8.0
vllm:request_success_total{engine="0",finished_reason="error",model_name="x"} 2.0
vllm:request_success_total{engine="1",finished_reason="error",model_name="x"} 3.0
"""


def told(words: Vocabulary, text: str) -> dict[str, Any]:
    return gauges(words, parse(text, words.names))


class TestVllm:
    def test_the_first_engine_says_gpu_cache_usage(self) -> None:
        assert told(VLLM, V0) == {"running": 3, "waiting": 2, "kv_usage": 0.41, "errors": 0, "preemptions": 4}

    def test_where_both_names_are_said_the_new_one_is_true(self) -> None:
        assert told(VLLM, BOTH_NAMES)["kv_usage"] == 0.3

    def test_engines_in_parallel_add_their_requests_and_the_fullest_cache_counts(self) -> None:
        assert told(VLLM, DATA_PARALLEL) == {
            "running": 7,
            "waiting": 6,
            "kv_usage": 0.7,
            "errors": 5,
            "preemptions": 3,
        }

    def test_time_per_output_token_became_inter_token_latency(self) -> None:
        for name in ("time_per_output_token_seconds", "inter_token_latency_seconds"):

            def look(at: float, name: str = name) -> Look:
                text = f'vllm:{name}_bucket{{le="0.02"}} {at}\nvllm:{name}_bucket{{le="+Inf"}} {at}\n'
                return Look(at, parse(text, VLLM.names))

            span = Span(look(1), look(9))
            assert rates(VLLM, span, span)["inter_token_p50_seconds"] == pytest.approx(0.01)

    @pytest.mark.parametrize(
        ("states", "sleep"),
        [
            ({"awake": 1, "weights_offloaded": 0, "discard_all": 0}, Sleep.AWAKE),
            ({"awake": 0, "weights_offloaded": 1, "discard_all": 0}, Sleep.WEIGHTS_OFFLOADED),
            ({"awake": 0, "weights_offloaded": 0, "discard_all": 1}, Sleep.ALL_DISCARDED),
            ({"awake": 0, "weights_offloaded": 0, "discard_all": 0}, Sleep.ASLEEP),
            ({}, None),
        ],
    )
    def test_it_tells_whether_it_sleeps(self, states: dict[str, int], sleep: Sleep | None) -> None:
        text = "".join(
            f'vllm:engine_sleep_state{{engine="0",model_name="x",sleep_state="{state}"}} {value}.0\n'
            for state, value in states.items()
        )
        assert sleep_state(parse(text, VLLM.names)) == sleep

    def test_its_cache_is_told_by_labels(self) -> None:
        text = (
            'vllm:cache_config_info{block_size="16",cache_dtype="fp8_e4m3",engine="0",num_gpu_blocks="27368",'
            'kv_cache_size_tokens="437888",new_in_2027="[\\"a\\"]"} 1.0\n'
        )
        assert cache_config(parse(text, VLLM.names)) == {
            "cache_block_size": 16,
            "cache_blocks": 27_368,
            "cache_tokens": 437_888,
            "cache_dtype": "fp8_e4m3",
        }

    def test_blocks_that_are_not_settled_are_none(self) -> None:
        text = 'vllm:cache_config_info{block_size="128",cache_dtype="auto\x1b[31m",num_gpu_blocks="None"} 1.0\n'
        assert cache_config(parse(text, VLLM.names)) == {
            "cache_block_size": 128,
            "cache_blocks": None,
            "cache_tokens": None,
            "cache_dtype": "auto",
        }


def test_llama_cpp_says_nothing_of_its_cache_any_more() -> None:
    text = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\nllamacpp:tokens_predicted_total 80\n"
    assert told(LLAMA, text) == {"running": 2, "waiting": 1, "kv_usage": None, "errors": None, "preemptions": None}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["loaded", "sleeping"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "id", "status", "value", "args"]), inner)
        ),
    )
)
def test_no_list_of_models_breaks_what_is_read_of_it(answer: object) -> None:
    for model in _listed(answer):
        assert isinstance(model.name, str)
    assert _listed({"data": [{"id": "a", "status": answer}]})


class TestSglang:
    def test_replicas_add_up_and_their_ranks_do_not(self) -> None:
        text = "".join(
            f'sglang:num_running_reqs{{dp_rank="{dp}",model_name="m}}x",tp_rank="{tp}"}} {value}.0\n'
            for dp, tp, value in ((0, 0, 4), (0, 1, 4), (1, 2, 3), (1, 3, 3))
        )
        assert told(sglang.WORDS, text)["running"] == 7

    def test_a_total_is_not_added_to_its_parts_by_priority(self) -> None:
        text = "".join(
            f'sglang:num_queue_reqs{{model_name="m",priority="{priority}"}} {value}.0\n'
            for priority, value in (("", 5), ("0", 3), ("1", 2))
        )
        assert told(sglang.WORDS, text)["waiting"] == 5

    def test_its_own_throughput_counts_while_it_runs_and_is_zero_when_idle(self) -> None:
        def span(running: int) -> Span:
            text = f"sglang:num_running_reqs {running}\nsglang:gen_throughput 812.5\nsglang:generation_tokens_total 1\n"
            return Span(Look(0, {}), Look(10, parse(text, sglang.WORDS.names)))

        assert rates(sglang.WORDS, span(3), span(3))["tokens_per_second"] == 812.5
        assert rates(sglang.WORDS, span(0), span(0))["tokens_per_second"] == 0


def test_text_embeddings_inference_tells_its_queue_and_failures() -> None:
    text = 'te_queue_size 3\nte_request_success{method="batch"} 7\nte_request_failure{err="overloaded"} 2\n'
    assert (told(embeddings.TEI, text)["waiting"], told(embeddings.TEI, text)["errors"]) == (3, 2)


def test_infinity_is_not_measured_by_those_who_watch_it() -> None:
    def look(at: float, served: int) -> Look:
        series = {("/embeddings", "2xx"): served, ("/health", "2xx"): 30 * at, ("/rerank", "5xx"): 1}
        text = "".join(
            f'http_requests_total{{handler="{handler}",method="POST",status="{status}"}} {count}.0\n'
            for (handler, status), count in series.items()
        )
        return Look(at, parse(text, embeddings.INFINITY.names))

    span = Span(look(0, 0), look(10, 40))
    assert rates(embeddings.INFINITY, span, span)["requests_per_second"] == 4
    assert gauges(embeddings.INFINITY, span.after.samples)["errors"] == 1


class TestPages:
    @pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "9223372036854775794", "", "many", "0x10"])
    def test_a_blank_or_senseless_value_is_no_value(self, value: str) -> None:
        assert parse(f"vllm:num_requests_running {value}\n", VLLM.names) == {}

    def test_a_share_above_one_is_one(self) -> None:
        assert told(VLLM, "vllm:kv_cache_usage_perc 1.02\n")["kv_usage"] == 1

    def test_labels_may_hold_what_they_like(self) -> None:
        text = 'vllm:num_requests_running{model_name="a } 7 {\\"b\\\\",engine="0"} 5.0 1700000000000\n'
        (series,) = parse(text, VLLM.names)
        assert series.label("model_name") == 'a } 7 {"b\\'
        assert told(VLLM, text)["running"] == 5

    def test_the_order_of_labels_does_not_matter(self) -> None:
        one = parse('vllm:num_requests_running{a="1",b="2"} 1\n', VLLM.names)
        assert one == parse('vllm:num_requests_running{b="2",a="1"} 1\n', VLLM.names)

    def test_a_page_of_html_says_nothing(self) -> None:
        assert parse("<html><body>vllm:num_requests_running 3</body></html>", VLLM.names) == {}

    def test_a_name_that_only_begins_like_one_is_another(self) -> None:
        assert parse("vllm:num_requests_running_total 3\n", VLLM.names) == {}

    @given(st.text('{}",=\\ 0123abc_le\n', max_size=80), st.sampled_from(["\\", "{", 'a="', ""]))
    def test_no_labels_break_what_is_read_of_them(self, labels: str, put: str) -> None:
        text = "".join(f"{name}{put}{{{labels}}} 1\n{name}{{{labels}}} {labels}\n" for name in sorted(VLLM.names))
        samples = parse(text, VLLM.names)
        cache_config(samples)
        sleep_state(samples)
        span = Span(Look(0, samples), Look(1, samples))
        assert all(value in (None, 0.0) for value in rates(VLLM, span, span).values())

    @given(st.text(max_size=200))
    def test_no_text_breaks_the_parser(self, text: str) -> None:
        for dialect in DIALECTS.values():
            for name in sorted(dialect.words.names)[:3]:
                parse(name + text, dialect.words.names)

    @pytest.mark.parametrize(
        "line",
        [
            'vllm:num_requests_running{a="' + "\\" * 4000 + '"} 1',
            "vllm:num_requests_running{" + 'a="1",' * 600 + "} 1",
            "vllm:num_requests_running" + "{" * 4000,
            "",
        ],
    )
    def test_a_hostile_page_costs_little_and_keeps_little(self, line: str) -> None:
        page = "".join(f"{line}{n}\n" for n in range(PAGE_LIMIT // (len(line) + 5)))
        began = process_time()
        assert len(parse(page, VLLM.names)) < 100
        assert process_time() - began < 1

    def test_only_so_many_series_are_kept(self) -> None:
        text = "".join(f'vllm:num_requests_running{{n="{n}"}} 1\n' for n in range(40_000))
        assert 0 < len(parse(text, VLLM.names)) < TEXT_LIMIT // 30

    def test_a_page_no_engine_would_write_is_not_read(self) -> None:
        assert parse("vllm:num_requests_running 1\n" + "\n" * PAGE_LIMIT, VLLM.names) == {}
