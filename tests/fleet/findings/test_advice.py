"""Every kind of advice, warning and ignore, on small fleets made for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.findings import Finding, Severity
from fleet.findings.assess import Assessment, assess
from fleet.findings.formats import github, sarif
from fleet.findings.registry import RULES
from fleet.inventory import Inventory
from fleet.inventory.changes import apply
from fleet.inventory.codes import CODES
from fleet.inventory.loading import FleetFileError, load_text, model_places
from fleet.model import Version

HOST = "hosts:\n  gpu01: {address: a, accelerator: MI300X, gpus: 8}\n"
LLAMA = "source: meta-llama/Llama-3.1-8B-Instruct"


def fleet(*models: str, more: str = "", host: str = HOST) -> Inventory:
    """A fleet of those models, each ``name: facts``."""
    lines = "".join(f"  {model.partition(': ')[0]}: {{{model.partition(': ')[2]}}}\n" for model in models)
    return load_text(f"fleet: f\n{more}{host}models:\n{lines}", Path("fleet.yaml"))


def advised(inventory: Inventory) -> Assessment:
    """Everything there is to say."""
    return assess(inventory, with_advice=True)


def only(inventory: Inventory, code: str) -> Finding:
    """The one finding of that code."""
    (found,) = [finding for finding in advised(inventory).findings if finding.code == code]
    return found


SCENES = {
    "MEM003": fleet("a: engine: infinity, source: BAAI/bge-m3, memory: 30 GB, place: gpu01/0"),
    "MEM005": fleet(
        f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.4}}",
        f"b: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.4}}",
    ),
    "MEM006": fleet(
        "a: engine: vllm 0.19.0, source: Qwen/Qwen3-32B, place: gpu01/0, args: {gpu-memory-utilization: 0.41}",
    ),
    "MEM007": fleet(
        f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.47}}",
        f"b: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.47}}",
    ),
    "PAR003": fleet(
        "a: engine: vllm 0.19.0, source: Qwen/Qwen3-235B-A22B, place: gpu01/0-7, args: {tensor-parallel-size: 8}",
    ),
    "PAR004": fleet(
        "a: engine: vllm 0.19.0, source: Qwen/Qwen3-235B-A22B, place: gpu01/0-3, args: {pipeline-parallel-size: 4}",
    ),
    "ARG001": fleet(f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{max-model-length: 8192}}"),
    "QNT001": fleet(
        "a: engine: vllm 0.28.0, source: unsloth/phi-4-bnb-4bit, place: gpu01/0",
        host="hosts:\n  gpu01: {address: a, accelerator: H100, gpus: 1}\n",
    ),
    "QNT002": fleet("a: engine: vllm 0.19.0, source: unsloth/phi-4-bnb-4bit, place: gpu01/0"),
    "QNT003": fleet(f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{dtype: float32}}"),
    "POL001": fleet(
        f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.3}}",
        "b: engine: other, memory: 1 GB, place: gpu01/0",
    ),
    "RED001": fleet("a: engine: other, memory: 1 GB, place: gpu01/0, role: speech"),
    "RED002": fleet(
        "a: engine: other, memory: 1 GB, place: gpu01/0, role: speech",
        "b: engine: other, memory: 1 GB, place: gpu01/0, role: speech",
    ),
    "PERF001": fleet(
        f"a: engine: vllm 0.9.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.4}}",
        f"b: engine: vllm 0.9.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.4}}",
    ),
    "IGN001": fleet("a: engine: other, memory: 1 GB, place: gpu01/0", more="findings: {ignore: [KV001]}\n"),
}


@pytest.mark.parametrize("code", SCENES)
def test_every_kind_is_found_where_it_should_be(code: str) -> None:
    found = only(SCENES[code], code)
    assert found.severity == RULES[code].severity
    assert found.message.endswith(".") and found.headline
    assert all(key.endswith("_bytes") for key, number in found.numbers.items() if number > 1 << 30)


def test_a_sentence_that_begins_with_a_models_name_leaves_it_as_it_is_written() -> None:
    assert only(SCENES["MEM005"], "MEM005").message.startswith("a and b measure")


def test_screens_are_told_only_of_what_is_wrong() -> None:
    for code in ("MEM005", "POL001", "RED001", "PERF001"):
        assert code not in {finding.code for finding in assess(SCENES[code]).findings}


def test_a_cache_of_full_heads_is_found_by_the_files_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    from fleet.architecture.catalogue import find

    known = find("MAI-DS-R1-Q4_K_M.gguf")
    assert known is not None and known.gguf is not None
    old = replace(known, gguf=replace(known.gguf, latents=False))
    monkeypatch.setattr("fleet.findings.quantized.find_architecture", lambda _: old)
    inventory = fleet("a: engine: llama.cpp, source: MAI-DS-R1-Q4_K_M.gguf, place: gpu01/0-2, args: {ctx-size: 8192}")
    found = only(inventory, "QNT004")
    assert found.numbers["full_heads_bytes"] / found.numbers["latent_bytes"] == pytest.approx(71.1, abs=0.1)


def test_a_model_alone_on_its_gpu_may_have_any_share() -> None:
    alone = fleet(f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{gpu-memory-utilization: 0.95}}")
    assert not [finding for finding in advised(alone).findings if finding.code == "POL001"]


def test_the_policy_is_the_fleets_own() -> None:
    models = ("a: engine: vllm 0.19.0, " + LLAMA + ", place: gpu01/0, args: {gpu-memory-utilization: 0.3}",
              "b: engine: other, memory: 1 GB, place: gpu01/0")  # fmt: skip
    policy = "policy: {utilization: [{below: 10, low: 0.2, high: 0.4}, {low: 0.5, high: 0.9}]}\n"
    assert not [finding for finding in advised(fleet(*models, more=policy)).findings if finding.code == "POL001"]
    (fix,) = only(fleet(*models), "POL001").fixes
    assert fix.summary == "utilization 0.5"


def test_float32_is_taken_back_by_one_argument() -> None:
    (fix,) = only(SCENES["QNT003"], "QNT003").fixes
    assert fix.summary == "dtype bfloat16"


def test_a_fleet_ignores_a_code_everywhere_and_a_model_for_a_reason() -> None:
    models = [
        f"{name}: engine: other, memory: 1 GB, place: gpu01/{place}, role: {name}" for place, name in enumerate("ab")
    ]
    everywhere = advised(fleet(*models, more="findings: {ignore: [RED001]}\n"))
    assert not everywhere.findings and len(everywhere.ignored) == 2
    models[0] += ", ignore: {RED001: one is enough}"
    once = advised(fleet(*models))
    assert [finding.model for finding in once.findings] == ["b"]
    assert [finding.model for finding in once.ignored] == ["a"]


def test_a_finding_about_a_gpu_is_ignored_by_a_model_on_it() -> None:
    thin = SCENES["MEM007"]
    told = replace(thin, models=(replace(thin.models[0], ignored=(("MEM007", "measured"),)), *thin.models[1:]))
    assert [finding.code for finding in assess(told).ignored] == ["MEM007"]


def test_a_fleet_says_how_bad_a_code_is() -> None:
    inventory = fleet(
        "a: engine: other, memory: 1 GB, place: gpu01/0, role: speech", more="findings: {severity: {RED001: error}}\n"
    )
    assert only(inventory, "RED001").severity is Severity.ERROR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("findings: {ignore: [KV1]}\n", "fleet.yaml:2:21: there is no finding 'KV1'; did you mean KV001"),
        ("findings: {severity: {RED01: info}}\n", "fleet.yaml:2:23: there is no finding 'RED01'"),
        ("findings: {severity: {RED001: awful}}\n", "fleet.yaml:2:"),
        ("findings: {ignored: []}\n", "fleet.yaml:2:12"),
        ("policy: {utilization: [{low: 2, high: 3}]}\n", "fleet.yaml:2:30: low of size class 1 must be 1 or less"),
        (
            "policy: {utilization: [{low: .5, high: .4}]}\n",
            "fleet.yaml:2:.*low of size class 1 is above its high of 0.4",
        ),
        ("policy: {utilization: [{low: .1, high: .2}, {low: .1, high: .2}]}\n", "size class 2 is never reached"),
        (
            "policy: {utilization: [{below: 9, low: .1, high: .2}, {below: 8, low: .1, high: .2}]}\n",
            "below of size class 2 must be above 9",
        ),
    ],
)
def test_what_makes_no_sense_is_an_error_at_its_place(text: str, said: str) -> None:
    with pytest.raises(FleetFileError, match=said):
        fleet("a: engine: other, memory: 1 GB, place: gpu01/0", more=text)


def test_the_file_knows_the_codes_of_all_findings_there_are() -> None:
    assert set(CODES) == set(RULES)


def test_an_ignore_without_a_reason_is_refused() -> None:
    with pytest.raises(FleetFileError, match="needs a reason"):
        fleet("a: engine: other, memory: 1 GB, place: gpu01/0, ignore: {RED001: ''}")


def findings(*codes: str) -> Sequence[Finding]:
    """Findings of those scenes."""
    return [only(SCENES[code], code) for code in codes]


def test_github_is_told_file_line_and_title_and_no_character_it_would_obey() -> None:
    (told, thin) = findings("QNT003", "MEM007")
    hostile = replace(told, message="50% a\nb::c")
    first, second = github([hostile, thin], Path("x,y:z.yaml"), {"a": 7})
    assert first.startswith("::warning file=x%2Cy%3Az.yaml,line=7,title=QNT003 a::50%25 a%0Ab::c")
    assert second.startswith("::warning file=x%2Cy%3Az.yaml,title=MEM007 gpu01/0::")


def test_a_sarif_log_names_every_rule_and_suppresses_what_is_ignored() -> None:
    (told, idle) = findings("QNT003", "RED001")
    log = json.loads(json.dumps(sarif([told], [idle], Path("f.yaml"), {"a": 3}, "1.0")))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("QNT003", "warning")
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert "suppressions" not in first and second["suppressions"] == [{"kind": "inSource"}]


def test_a_models_place_is_where_the_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(f"fleet: f\n{HOST}models:\n\n  a:\n    engine: other\n  'b': {{engine: other}}\n")
    assert model_places(path) == {"a": (6, 3), "b": (8, 3)}


def test_a_comment_ignores_a_finding_on_the_lines_of_its_model() -> None:
    text = (
        f"fleet: f\n{HOST}models:\n"
        "  a:\n    engine: other\n    memory: 1 GB  # gpudeck: ignore RED001 one is enough\n"
        "    place: gpu01/0\n    role: speech\n"
        "  b: {engine: other, memory: 1 GB, place: gpu01/1, role: ears}\n"
    )
    found = advised(load_text(text, Path("fleet.yaml")))
    assert [finding.model for finding in found.findings] == ["b"]
    assert [finding.model for finding in found.ignored] == ["a"]


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("ignore RED001", "write # gpudeck: ignore CODE, and why"),
        ("forget it", "is not understood"),
        ("ignore RED01 it is alone", "there is no finding 'RED01'"),
    ],
)
def test_a_comment_that_is_not_understood_is_an_error_at_its_place(comment: str, said: str) -> None:
    text = f"fleet: f\n{HOST}models:\n  a: {{engine: other, memory: 1 GB, place: gpu01/0}}  # gpudeck: {comment}\n"
    with pytest.raises(FleetFileError, match=rf"fleet\.yaml:5:53: .*{said}"):
        load_text(text, Path("fleet.yaml"))


def test_a_comment_behind_the_last_model_stands_at_none() -> None:
    text = f"fleet: f\n{HOST}models:\n  a: {{engine: other, enabled: false}}\n# gpudeck: ignore RED001 why\n"
    with pytest.raises(FleetFileError, match=r"fleet\.yaml:6:1: this stands at no model"):
        load_text(text, Path("fleet.yaml"))


def test_what_a_value_says_is_no_comment() -> None:
    text = f"fleet: f\n{HOST}models:\n  a:\n    engine: other\n    memory: 1 GB\n    note: 'x # gpudeck: forget it'\n"
    assert load_text(f"{text}    enabled: false\n", Path("fleet.yaml")).models[0].note == "x # gpudeck: forget it"


def test_a_misspelt_argument_is_fixed_by_what_was_meant() -> None:
    (fix,) = only(SCENES["ARG001"], "ARG001").fixes
    fixed = apply(SCENES["ARG001"], fix.changes)
    assert dict(fixed.model("a").args) == {"max-model-len": 8192}


def test_an_argument_that_an_upgrade_takes_away_is_found_before_it() -> None:
    inventory = fleet(f"a: engine: vllm 0.8.4, {LLAMA}, place: gpu01/0, args: {{num-scheduler-steps: 8}}")
    assert not [finding for finding in advised(inventory).findings if finding.code == "ARG001"]
    upgraded = assess(inventory, version=Version("0.12.0")).findings
    (found,) = [finding for finding in upgraded if finding.code == "ARG001"]
    assert [fix.summary for fix in found.fixes] == ["no num-scheduler-steps"]


def test_an_argument_nothing_is_like_is_no_more_than_worth_saying() -> None:
    inventory = fleet(f"a: engine: vllm 0.19.0, {LLAMA}, place: gpu01/0, args: {{frobnicate: true}}")
    found = only(inventory, "ARG001")
    assert (found.severity, found.fixes) == (Severity.INFO, ())
