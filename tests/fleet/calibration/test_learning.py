"""A recorded start teaches the estimate of the next; against pairs of starts that others recorded, never itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.calibration.reading import printed
from fleet.estimate import Estimate, Origin, Origins, Outcome
from fleet.estimate.estimating import estimate
from fleet.estimate.measured import End
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Scalar, Version
from fleet.startup import Ending, ModelStart, RankStart, Size, Startup
from fleet.units import GiB, MiB

PAIRS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).with_name("recorded_pairs.yaml")).read_text("utf-8"))
BLOCK = 4 * MiB
MEASURED, CALIBRATED, MODELLED = Origin.MEASURED, Origin.CALIBRATED, Origin.MODELLED


def model_of(pair: dict[str, Any], args: dict[str, Scalar]) -> Model:
    return Model(
        "m",
        Engine("vllm", Version(str(pair["version"]))),
        source=pair["model"],
        place=Place("gpu01", tuple(range(pair.get("gpus", 1)))),
        args=Arguments({**pair["args"], **args}),
    )


def recorded(pair: dict[str, Any], **others: Any) -> ModelStart:
    """The first start of a pair as its log would have been read."""
    said = pair["first"]
    sizes = {
        part: printed(said[part], GiB)
        for part in ("weights", "activations", "non_torch", "graphs", "cache")
        if part in said
    }
    startup = Startup(
        "vllm",
        Ending.STARTED,
        str(pair["version"]),
        tuple(RankStart(f"TP{rank}", **sizes) for rank in range(pair.get("gpus", 1))),
        cache_blocks=said.get("blocks"),
        cache_tokens=said.get("tokens"),
    )
    start = ModelStart(startup, Arguments({**pair["args"], **said["args"]}), pair["model"], pair["gpu"])
    return replace(start, **others)


def second(pair: dict[str, Any], start: ModelStart | None, end: End | None = None, **args: Scalar) -> Estimate:
    model = model_of(pair, {**pair["second"]["args"], **{name.replace("_", "-"): v for name, v in args.items()}})
    return estimate(model, accelerator(pair["gpu"]), recorded=start, end=end)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair["about"]))
def test_the_next_start_prints_what_the_estimate_says(pair: dict[str, Any]) -> None:
    found, said = second(pair, recorded(pair)), pair["second"]
    assert found.shares[0].kv_cache_bytes == pytest.approx(said["cache"] * GiB, abs=0.015 * GiB + BLOCK)
    if "tokens" in said:
        assert found.kv_cache_tokens == pytest.approx(said["tokens"], rel=2e-4)
    if "blocks" in said:
        assert found.kv_cache_blocks == pytest.approx(said["blocks"], abs=6)
    if "concurrency" in said:
        assert found.max_concurrency == pytest.approx(said["concurrency"], abs=0.011)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: str(pair["about"]))
def test_what_was_learned_is_nearer_than_the_model_and_its_spread_narrower(pair: dict[str, Any]) -> None:
    taught, modelled, said = second(pair, recorded(pair)), second(pair, None), pair["second"]["cache"] * GiB
    assert abs(taught.shares[0].kv_cache_bytes - said) <= abs(modelled.shares[0].kv_cache_bytes - said) + BLOCK
    low, high = (second(pair, recorded(pair), end).shares[0].kv_cache_bytes for end in (End.HIGH, End.LOW))
    least, most = (second(pair, None, end).shares[0].kv_cache_bytes for end in (End.HIGH, End.LOW))
    assert low - BLOCK <= said <= high + BLOCK
    assert high - low < most - least


V0, FP8, TOLD_LITTLE = PAIRS[0], PAIRS[1], PAIRS[3]


@pytest.mark.parametrize(("cache", "again"), [("154.73", 155.16), ("155.16", 154.73)])
def test_the_spread_holds_what_the_same_start_measured_another_day(cache: str, again: float) -> None:
    pair = {**PAIRS[-1], "first": {"args": {}, "cache": cache}, "second": {"args": {}}}
    low, high = (second(pair, recorded(pair), end).shares[0].kv_cache_bytes for end in (End.HIGH, End.LOW))
    assert low <= again * GiB <= high


def test_blocks_alone_teach_and_hold_what_a_repeated_start_had() -> None:
    pair: dict[str, Any] = {
        "model": "meta-llama/Meta-Llama-3-8B-Instruct", "gpu": "MI300X", "version": "0.6.4",
        "args": {"max-model-len": 8192, "enable-chunked-prefill": False},
        "first": {"args": {}, "weights": "14.9595", "blocks": 78921}, "second": {"args": {}},
    }  # fmt: skip
    start = recorded(pair)
    assert second(pair, start).kv_cache_blocks == 78921
    low, high = (second(pair, start, end).kv_cache_blocks or 0 for end in (End.HIGH, End.LOW))
    assert low <= 78839 <= high


def test_a_length_that_does_not_fit_is_refused_with_the_measured_cache() -> None:
    pair: dict[str, Any] = {
        "model": "ByteDance-Seed/Seed-OSS-36B-Instruct", "gpu": "MI300X", "version": "0.28.0",
        "args": {"gpu-memory-utilization": 0.9},
        "first": {"args": {"max-model-len": 413632}, "weights": "67.46", "cache": "100.99", "tokens": 413632},
        "second": {"args": {"max-model-len": 475676}},
    }  # fmt: skip
    found = second(pair, recorded(pair))
    assert found.outcome is Outcome.REFUSED
    assert found.refusal is not None and "(100.99 GiB)" in found.refusal.sentence
    assert found.longest_length == pytest.approx(413632, rel=2e-3)


def test_a_cache_that_a_plan_sized_teaches_its_own_size_and_nothing_of_what_is_beside_it() -> None:
    start = recorded(FP8)
    planned = replace(start, startup=replace(start.startup, planned=True))
    other = {**FP8, "second": {"args": {"gpu-memory-utilization": 0.5}}}
    assert second(other, planned).shares[0].origins.context is CALIBRATED, "its own print of it still counts"
    told_little = recorded(TOLD_LITTLE)
    planned = replace(told_little, startup=replace(told_little.startup, planned=True))
    assert second(TOLD_LITTLE, planned).shares[0].origins == Origins(MEASURED, MEASURED, MODELLED, MEASURED, MODELLED)


def test_a_number_says_whether_it_was_measured_calibrated_or_modelled() -> None:
    same = {**V0, "second": V0["first"]}
    assert second(same, recorded(V0)).shares[0].origins == Origins(MEASURED, MEASURED, MEASURED, MODELLED, CALIBRATED)
    assert second(V0, recorded(V0)).shares[0].origins == Origins(MEASURED, CALIBRATED, MEASURED, MODELLED, CALIBRATED)
    assert second(V0, None).shares[0].origins == Origins()


def test_activations_that_were_not_printed_are_calibrated_by_the_sum() -> None:
    found = second(TOLD_LITTLE, recorded(TOLD_LITTLE))
    assert found.shares[0].origins.activations is CALIBRATED
    assert found.basis == "calibrated"


def test_the_engines_own_tokens_stand_where_nothing_has_changed() -> None:
    pair = {**FP8, "second": {"args": {}}}
    start = recorded(FP8)
    start = replace(start, startup=replace(start.startup, max_concurrency=58.11))
    found = second(pair, start)
    assert (found.kv_cache_tokens, found.max_concurrency, found.cache_origin) == (476_016, 58.11, MEASURED)


@pytest.mark.parametrize(
    ("flag", "value", "origins"),
    [
        ("max-num-batched-tokens", 16384, Origins(MEASURED, CALIBRATED, MODELLED, MEASURED, CALIBRATED)),
        ("max-num-seqs", 64, Origins(MEASURED, CALIBRATED, MODELLED, MODELLED, CALIBRATED)),
        ("enforce-eager", True, Origins(MEASURED, CALIBRATED, MODELLED, MODELLED, CALIBRATED)),
        ("max-model-len", 4096, Origins(MEASURED, MEASURED, MEASURED, MEASURED, CALIBRATED)),
        ("gpu-memory-utilization", 0.5, Origins(MEASURED, CALIBRATED, MEASURED, MEASURED, CALIBRATED)),
        ("served-model-name", "llama", Origins(MEASURED, MEASURED, MEASURED, MEASURED, CALIBRATED)),
        ("dtype", "float32", Origins(MODELLED, CALIBRATED, MODELLED, MODELLED, CALIBRATED)),
        ("enable-lora", True, Origins()),
    ],
)  # fmt: skip
def test_a_changed_argument_keeps_what_does_not_depend_on_it(flag: str, value: Scalar, origins: Origins) -> None:
    pair = {**FP8, "second": {"args": {flag: value}}}
    assert second(pair, recorded(FP8)).shares[0].origins == origins


@pytest.mark.parametrize(
    "others",
    [
        {"company": "kb-whisper-large"},
        {"accelerator": "MI300X"},
    ],
)
def test_a_start_in_company_or_on_another_kind_of_gpu_teaches_nothing(others: dict[str, Any]) -> None:
    assert second(FP8, recorded(FP8, **others)) == second(FP8, None)


@pytest.mark.parametrize(
    "others", [{"ending": Ending.REFUSED}, {"disturbed": True}, {"build": "0.20.0"}, {"build": "main"}]
)
def test_nor_does_one_that_was_refused_or_disturbed_or_of_another_build(others: dict[str, Any]) -> None:
    start = recorded(FP8)
    assert second(FP8, replace(start, startup=replace(start.startup, **others))) == second(FP8, None)


def test_ranks_that_are_not_all_told_apart_teach_the_widest_of_them() -> None:
    pair = PAIRS[5]
    start = recorded(pair)
    odd = RankStart("TP0", Size(7 * GiB), Size(2 * GiB), cache=Size(60 * GiB))
    even = RankStart("TP3", Size(8 * GiB), Size(3 * GiB), cache=Size(62 * GiB))
    several = replace(start, startup=replace(start.startup, ranks=(odd, even, odd)))
    low, high = (second(pair, several, end).shares[0].weights_bytes for end in (End.LOW, End.HIGH))
    assert (low, high) == (7 * GiB, 8 * GiB)


def test_an_engine_without_rules_of_its_own_keeps_its_buffers_only_where_nothing_changed() -> None:
    told: dict[str, Scalar] = {"split-mode": "layer", "ctx-size": 32768}
    model = Model("r1", Engine("llama.cpp"), "MAI-DS-R1-Q4_K_M.gguf", Place("gpu01", (4, 5, 6)), args=Arguments(told))
    ranks = tuple(RankStart(f"ROCm{n}", Size(120 * GiB), Size(GiB), cache=Size(2 * GiB)) for n in range(3))
    startup = Startup("llama.cpp", Ending.STARTED, "6123 (79c1160b0)", ranks)
    args = model.args.replace("port", 8010).replace("host", "0.0.0.0").replace("prio", 2)
    start = ModelStart(startup, args, "/models/MAI-DS-R1-Q4_K_M.gguf", "MI300X")
    kind = accelerator("MI300X")
    taught = estimate(model, kind, recorded=start)
    assert [share.weights_bytes for share in taught.shares] == [120 * GiB] * 3
    assert taught.shares[0].origins == Origins(MEASURED, MEASURED, MEASURED, MODELLED, MODELLED)
    longer = replace(model, args=model.args.replace("ctx-size", 65536))
    assert estimate(longer, kind, recorded=start) == estimate(longer, kind)


def test_a_model_nobody_knows_is_known_by_what_it_printed() -> None:
    pair = {**TOLD_LITTLE, "model": "someone/secret-9b", "second": TOLD_LITTLE["first"]}
    found, blind = second(pair, recorded(pair)), second(pair, None)
    (share,), (budget,) = found.shares, blind.shares
    assert (blind.basis, found.basis) == ("budget", "calibrated")
    assert (share.weights_bytes, share.kv_cache_bytes) == (round(14.99 * GiB), round(58.11 * GiB))
    assert share.origins == Origins(MEASURED, MEASURED, MODELLED, MEASURED, CALIBRATED)
    assert share.total_bytes == budget.total_bytes + round(0.91 * GiB), "0.19 has its graphs outside its budget"
    assert (found.kv_cache_tokens, found.cache_origin) == (476_016, MEASURED)
    assert second({**pair, "second": TOLD_LITTLE["second"]}, recorded(pair)).basis == "budget"


def test_a_cache_is_reckoned_anew_on_a_gpu_of_another_size() -> None:
    pair = {**V0, "second": V0["first"]}
    start = recorded(V0, totals=(206_141_652_992,))
    (as_it_was,) = second(pair, start).shares
    model, kind = model_of(pair, pair["first"]["args"]), accelerator("MI300X")
    (smaller,) = estimate(model, kind, totals=[205_822_885_888], recorded=start).shares
    assert (as_it_was.origins.kv_cache, smaller.origins.kv_cache) == (MEASURED, CALIBRATED)
    assert as_it_was.kv_cache_bytes - smaller.kv_cache_bytes == pytest.approx(0.8 * 318_767_104, abs=BLOCK)


def test_so_it_is_beside_neighbours_that_the_version_counts_as_its_own() -> None:
    pair = {**FP8, "version": "0.8.5", "second": {"args": {}}}
    start, model, kind = recorded(pair), model_of(pair, {}), accelerator("H100")
    (alone,) = estimate(model, kind, recorded=start).shares
    (beside,) = estimate(model, kind, recorded=start, others_bytes=[10 * GiB]).shares
    assert alone.origins.kv_cache is MEASURED
    assert alone.kv_cache_bytes - beside.kv_cache_bytes == pytest.approx(10 * GiB, abs=BLOCK)


@pytest.mark.parametrize(("args", "tokens"), [({}, 1_271_696), ({"kv-cache-dtype": "fp8"}, 2_543_408)])
def test_tokens_alone_teach_where_they_are_counted_by_blocks(args: dict[str, Scalar], tokens: int) -> None:
    pair: dict[str, Any] = {
        "model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "MI300X", "version": "0.19.1",
        "args": {"gpu-memory-utilization": 0.9},
        "first": {"args": {"max-model-len": 8192}, "tokens": 1_271_232},
        "second": {"args": {"max-model-len": 131072, **args}},
    }  # fmt: skip
    start = recorded(pair)
    assert second(pair, start).kv_cache_tokens == pytest.approx(tokens, rel=5e-4)
    low, high = (second(pair, start, end).kv_cache_tokens or 0 for end in (End.HIGH, End.LOW))
    assert low <= tokens <= high
