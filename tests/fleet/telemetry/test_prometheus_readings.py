"""Series of exporters become readings: by host, by GPU, in bytes, with what is blank or old left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from exporter_pages import amd_page, dcgm_page, series, vllm_page
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from fleet.errors import EndpointError
from fleet.http import HttpAnswer
from fleet.inventory import Host, Inventory, Prometheus
from fleet.model import Arguments, Engine, Model, Place
from fleet.readings import EngineReading, EngineWord, GpuReading, Sleep
from fleet.telemetry.prometheus.answers import Vector, vector
from fleet.telemetry.prometheus.cycle import FRESH_SECONDS, Cycle, HostReport, read_cycle
from fleet.telemetry.prometheus.engines import EngineMeter
from fleet.telemetry.prometheus.naming import HostNames

MIB = 1 << 20
NOW = 1_790_000_000.0
SERVER = Prometheus("http://prometheus.example")


def scraped(page: str, instance: str = "10.0.0.1:5000", age: float = 3.0) -> tuple[list[Any], list[Any]]:
    """A page as Prometheus has it some time after the scrape: values, and the times of the same series."""
    values, times = [], []
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = dict(sample.labels, instance=instance, job="gpus")
            values.append({"metric": dict(labels, __name__=sample.name), "value": [NOW, str(sample.value)]})
            times.append({"metric": labels, "value": [NOW, str(NOW - age)]})
    return values, times


def answer(result: Sequence[Any], **more: Any) -> Vector:
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}, **more})
    return vector(HttpAnswer(200, body.encode()), "Prometheus")


def host(name: str = "gpu01", gpus: int = 8, address: str = "") -> Host:
    return Host(name, address, "MI300X", gpus)


def cycle(
    *pages: tuple[list[Any], list[Any]],
    hosts: Sequence[Host] = (host(),),
    models: Sequence[Model] = (),
    server: Prometheus = SERVER,
    **more: Any,
) -> Cycle:
    values = answer([entry for page in pages for entry in page[0]], **more)
    times = answer([entry for page in pages for entry in page[1]])
    inventory = Inventory("test", tuple(hosts), tuple(models), prometheus=server)
    return read_cycle((values, times), hosts, models, HostNames(inventory), 1)


def gpus(report: HostReport) -> tuple[GpuReading, ...]:
    assert report.reading is not None, report.reason
    return report.reading.gpus


@pytest.mark.parametrize("prefix", ["", "amd_"])
def test_amd_says_megabytes_and_means_mebibytes(prefix: str) -> None:
    report = cycle(scraped(amd_page("gpu01", {0: 1_273, 3: 150_000}, prefix=prefix))).hosts["gpu01"]
    first, last = gpus(report)
    assert (first.used_bytes, first.identity.total_bytes) == (1_273 * MIB, 206_141_652_992)
    assert (last.identity.hip_index, last.used_bytes, last.busy_percent) == (3, 150_000 * MIB, 13)
    assert (last.temperature_c, last.memory_temperature_c, last.power_w) == (53, 43, 403)
    assert report.age_seconds == 3.0
    assert report.reason == "2 of the 8 GPUs of gpu01 are in Prometheus."


def test_the_first_amd_exporter_wrote_labels_in_upper_case_and_real_megabytes() -> None:
    labels = {"GPU_UUID": "6699c0a8-4200-4242-037f-f97e6cae0f09", "SERIAL_NUMBER": "692247001282"}
    values = {"gpu_average_package_power": 41, "gpu_power_usage": 41, "gpu_total_memory": 68_702, "gpu_usage": 0}
    page = "gpu_nodes_total 1\n" + "".join(series(name, labels, value) for name, value in values.items())
    (gpu,) = gpus(cycle(scraped(page, "gpu01:5000"), hosts=[host(gpus=1)]).hosts["gpu01"])
    assert gpu.identity.total_bytes == pytest.approx(65_520 * MIB, rel=1e-4)
    assert (gpu.used_bytes, gpu.busy_percent, gpu.power_w) == (None, 0, 41)
    report = cycle(scraped(page, "gpu01:5000"), hosts=[host(gpus=2)]).hosts["gpu01"]
    assert report.reading is None, "one of two GPUs without a number could be either"


def test_a_unique_id_is_what_hip_calls_it() -> None:
    page = series(
        "gpu_used_vram", {"gpu_id": 0, "hostname": "gpu01", "gpu_uuid": "deff740f-0000-1000-8082-87300da37c72"}, 5
    )
    (gpu,) = gpus(cycle(scraped(page)).hosts["gpu01"])
    assert gpu.identity.unique_id == "de8287300da37c72"


def test_dcgm_says_its_memory_in_parts_and_blanks_what_it_lacks() -> None:
    first, second = gpus(cycle(scraped(dcgm_page("gpu01", {0: 4_210, 1: 0}))).hosts["gpu01"])
    assert (first.used_bytes, first.identity.total_bytes) == (4_210 * MIB, 81_089 * MIB)
    assert (first.identity.pci, first.identity.product) == ("0000:17:00.0", "NVIDIA H100 80GB HBM3")
    assert (first.memory_temperature_c, second.memory_temperature_c) == (None, 47)
    assert (first.temperature_c, first.power_w, second.used_bytes) == (41, 312.5, 0)


@pytest.mark.parametrize(
    "blank",
    ["9223372036854775794", "9223372036854775792", "2147483632", "140737488355328", "NaN", "+Inf", "-1", "65535"],
)
def test_no_value_is_never_a_value(blank: str) -> None:
    first, *_ = gpus(cycle(scraped(dcgm_page("gpu01", {0: 1}, blank))).hosts["gpu01"])
    assert first.memory_temperature_c is None


def test_slices_of_a_gpu_are_not_taken_for_the_gpu() -> None:
    page = series(
        "DCGM_FI_DEV_FB_USED", {"gpu": 0, "GPU_I_ID": "9", "GPU_I_PROFILE": "1g.10gb", "Hostname": "gpu01"}, 5
    )
    report = cycle(scraped(page)).hosts["gpu01"]
    assert report.reading is None
    assert "MIG" in report.reason


@pytest.mark.parametrize("own_numbers", [True, False])
def test_partitions_are_counted_through(own_numbers: bool) -> None:
    page = "".join(
        series(
            "gpu_used_vram",
            {
                "gpu_id": gpu * 8 + part if own_numbers else gpu,
                "gpu_partition_id": part,
                "gpu_compute_partition_type": "cpx",
                "hostname": "gpu01",
            },
            100 * gpu + part,
        )
        for gpu in range(2)
        for part in range(8)
    )
    found = gpus(cycle(scraped(page), hosts=[host(gpus=16)]).hosts["gpu01"])
    assert [gpu.identity.hip_index for gpu in found] == list(range(16))
    assert [(gpu.identity.partition, gpu.used_bytes) for gpu in found[7:9]] == [(7, 7 * MIB), (0, 100 * MIB)]


def test_machines_that_a_label_takes_for_one_are_not_mixed() -> None:
    both = (scraped(amd_page("gpu01", {0: 1})), scraped(amd_page("gpu01", {0: 2}).replace("gpu01-0", "other-0")))
    report = cycle(*both).hosts["gpu01"]
    assert report.reading is None
    assert report.reason == "The GPUs Prometheus has of gpu01 cannot be told apart by their labels."


@pytest.mark.parametrize(
    ("labels", "instance"),
    [
        ({"hostname": "gpu01"}, "10.0.0.1:5000"),
        ({"Hostname": "gpu01.rack3.example"}, "10.0.0.1:9400"),
        ({"hostname": "exporter-x2b4f", "node": "gpu01"}, "10.0.0.1:5000"),
        ({}, "gpu01:5000"),
        ({}, "gpu01.rack3.example:5000"),
        ({}, "192.0.2.7:5000"),
    ],
)
def test_a_host_is_found_by_name_domain_or_address(labels: Mapping[str, str], instance: str) -> None:
    page = series("gpu_used_vram", {"gpu_id": 0, **labels}, 5)
    report = cycle(scraped(page, instance), hosts=[host(address="ops@192.0.2.7:2222"), host("gpu02")]).hosts["gpu01"]
    assert gpus(report)[0].used_bytes == 5 * MIB


def test_an_address_that_two_hosts_share_names_neither() -> None:
    two = [host("one", address="ops@127.0.0.1:2201"), host("two", address="ops@127.0.0.1:2202"), host("three")]
    found = cycle(scraped(series("gpu_used_vram", {"gpu_id": 0}, 5), "127.0.0.1:5000"), hosts=two).hosts
    assert [report.reading for report in found.values()] == [None, None, None]


def test_the_fleet_file_says_what_a_label_means() -> None:
    server = Prometheus("http://prometheus.example", "kubernetes_node", {"gpu01": "ip-10-0-0-1"})
    page = series("gpu_used_vram", {"gpu_id": 0, "kubernetes_node": "ip-10-0-0-1", "hostname": "gpu02"}, 5)
    found = cycle(scraped(page), hosts=[host(), host("gpu02")], server=server).hosts
    assert gpus(found["gpu01"])[0].used_bytes == 5 * MIB
    assert found["gpu02"].reading is None


def test_a_host_that_is_not_found_is_told_with_what_is_there() -> None:
    pages = [scraped(amd_page(f"worker-{n}", {0: 1})) for n in range(5)]
    assert cycle(*pages).hosts["gpu01"].reason == (
        "Prometheus has no GPU of gpu01 now; it has GPUs of worker-0, worker-1, worker-2, …, "
        "which no host of the fleet file is called."
    )


def test_what_was_scraped_long_ago_is_old_and_what_lags_behind_is_left_out() -> None:
    old = cycle(scraped(amd_page("gpu01", {0: 1}), age=FRESH_SECONDS + 30)).hosts["gpu01"]
    assert (old.age_seconds, old.reason) == (120, "Prometheus has not scraped gpu01 for more than 90 s.")
    both = cycle(scraped(amd_page("gpu01", {0: 1}), age=200), scraped(amd_page("gpu01", {1: 2}), age=5)).hosts["gpu01"]
    assert [gpu.identity.hip_index for gpu in gpus(both)] == [1]


def test_what_the_server_warns_of_is_passed_on() -> None:
    report = cycle(scraped(amd_page("gpu01", dict.fromkeys(range(8), 1))), warnings=["store \x1b[31m2 is down"]).hosts[
        "gpu01"
    ]
    assert report.reason == "store 2 is down"


def test_of_a_gpu_told_of_twice_the_newest_word_counts() -> None:
    old = scraped(amd_page("gpu01", {0: 1}).replace("hostname", 'pod="before",hostname'), age=60)
    new = scraped(amd_page("gpu01", {0: 2}).replace("hostname", 'pod="after",hostname'), age=5)
    for pages in ((old, new), (new, old)):
        assert [gpu.used_bytes for gpu in gpus(cycle(*pages).hosts["gpu01"])] == [2 * MIB]


# engines

LLAMA = Model(
    "llama",
    Engine.parse("vllm 0.10.0"),
    source="meta-llama/Llama-3.1-8B-Instruct",
    place=Place("gpu01", (0,)),
    url="http://127.0.0.1:8001",
)
SECOND = Model("second", LLAMA.engine, source=LLAMA.source, place=Place("gpu01", (1,)), url="http://127.0.0.1:8002")
CHAT = Model(
    "chat", LLAMA.engine, source="x/y", place=Place("gpu02", (0,)), args=Arguments({"served-model-name": "chat-large"})
)
TWO = (host(), host("gpu02"))


def engines(*pages: tuple[list[Any], list[Any]], models: Sequence[Model]) -> Mapping[str, EngineReading]:
    found = cycle(*pages, hosts=TWO, models=models).engines
    return {name: EngineMeter("vllm").reading(look) for name, look in found.items()}


def test_engines_of_one_model_are_summed_and_the_fullest_cache_counts() -> None:
    page = vllm_page("any", usage=0.25, running=3, waiting=0) + vllm_page(
        "any", usage=0.5, running=4, waiting=1, engine=1
    )
    found = engines(scraped(page, "gpu01:8001"), models=[LLAMA, SECOND])
    assert dict(found) == {"llama": EngineReading(True, 0.5, 7, 1, EngineWord.READY)}


def test_vllm_before_0_10_calls_its_cache_the_gpus() -> None:
    page = vllm_page("any", usage=0.25, running=1, waiting=0).replace("kv_cache_usage", "gpu_cache_usage")
    assert engines(scraped(page, "gpu01:8001"), models=[LLAMA])["llama"].kv_usage == 0.25


def test_a_pod_is_known_by_the_name_it_serves_unless_two_share_it() -> None:
    llama = scraped(vllm_page(str(LLAMA.source), usage=0.25, running=1, waiting=0), "10.42.0.9:8000")
    chat = scraped(vllm_page("chat-large", usage=0.75, running=1, waiting=0), "10.42.0.8:8000")
    assert set(engines(llama, chat, models=[LLAMA, CHAT])) == {"llama", "chat"}
    assert set(engines(llama, chat, models=[LLAMA, SECOND, CHAT])) == {"chat"}


def test_two_scrapes_tell_rates_and_latencies() -> None:
    meter = EngineMeter("vllm")
    for at, tokens, done, quick, slow in ((NOW - 40, 1_000, 10, 0, 0), (NOW - 10, 4_000, 40, 24, 30)):
        labels = {"engine": 0, "model_name": "any"}
        page = vllm_page("any", usage=0.25, running=1, waiting=0).replace("27453.0", str(tokens))
        page += series("vllm:request_success_total", {**labels, "finished_reason": "stop"}, done)
        page += series("vllm:cache_config_info", {"block_size": 16, "num_gpu_blocks": 4096, "engine": 0}, 1)
        page += series("vllm:engine_sleep_state", {**labels, "sleep_state": "awake"}, 1)
        for edge, count in (("0.1", quick), ("0.2", slow), ("+Inf", slow)):
            page += series("vllm:time_to_first_token_seconds_bucket", {**labels, "le": edge}, count)
        told = cycle(scraped(page, "gpu01:8001", age=NOW - at), models=[LLAMA])
        meter.see_buckets(told.engines["llama"])
        found = meter.reading(told.engines["llama"])
    assert (found.tokens_per_second, found.requests_per_second) == (100.0, 1.0)
    assert found.ttft_p50_seconds == pytest.approx(0.0625)
    assert found.ttft_p95_seconds == pytest.approx(0.175)
    assert (found.cache_blocks, found.sleep) == (4096, Sleep.AWAKE)
    meter.forget()
    assert meter.reading(told.engines["llama"]).tokens_per_second is None


def test_an_engine_that_was_scraped_long_ago_says_nothing() -> None:
    page = scraped(vllm_page("any", usage=0.25, running=1, waiting=0), "gpu01:8001", age=FRESH_SECONDS + 1)
    assert engines(page, models=[LLAMA]) == {}


# answers


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            400,
            '{"status":"error","errorType":"bad_data","error":"parse \\u001b[2Jerror"}',
            "refuses the query: parse error.",
        ),
        (422, '{"status":"error","errorType":"execution","error":"too many samples"}', "too many samples"),
        (401, "Unauthorized", "does not let us in (HTTP 401). Name a bearer token"),
        (403, "{}", "HTTP 403"),
        (503, "Service Unavailable", "answers HTTP 503"),
        (302, "", "answers HTTP 302"),
        (200, "<html>", "not as Prometheus does"),
        (200, "[" * 100_000, "not as Prometheus does"),
        (200, '{"status":"success","data":{"resultType":"matrix","result":[]}}', "not as Prometheus does"),
        (200, "\xff\xfe", "not as Prometheus does"),
    ],
)
def test_what_is_no_answer_is_told_in_one_sentence(status: int, body: str, words: str) -> None:
    with pytest.raises(EndpointError) as raised:
        vector(HttpAnswer(status, body.encode("latin-1")), "Prometheus at http://x")
    assert words in str(raised.value)
    assert "\x1b" not in str(raised.value)


ODD = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["metric", "value", "__name__", "gpu_id"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["metric", "value", "__name__", "x"]), inner),
)


@given(st.lists(ODD))
def test_whatever_the_server_puts_into_a_result_is_read_or_left_out(result: list[Any]) -> None:
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})
    found = vector(HttpAnswer(200, body.encode()), "Prometheus")
    read_cycle((found, found, found), [host()], [LLAMA], HostNames(Inventory("test", (host(),), ())), 1)


@given(
    st.dictionaries(st.sampled_from(["gpu_id", "gpu", "gpu_partition_id", "hostname", "pci_bus_id", "uuid"]), st.text())
)
def test_no_label_makes_reading_fail(labels: dict[str, str]) -> None:
    metric = {"__name__": "gpu_used_vram", "hostname": "gpu01", **labels}
    entry = {"metric": metric, "value": [NOW, "5"]}
    cycle(([entry], [entry]))
