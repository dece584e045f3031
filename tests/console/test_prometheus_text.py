"""`gpudeck status --format prometheus`: a page that Prometheus' own parsers take, and that the documents describe."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from recorded_demo import RecordedSession, recorded_snapshot

from console.prometheus_text import METRICS, page
from fleet.findings import Finding, Severity, Tense
from fleet.readings import Link
from fleet.state import FleetState
from fleet.state.json import status_json

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")
Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples(text: str) -> Samples:
    """Labels and value of each series, by name, by a parser that is not ours."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


@pytest.fixture
def state(session: RecordedSession) -> FleetState:
    found: FleetState = session.state()
    return found


def test_the_page_says_what_the_json_says(state: FleetState) -> None:
    told, gpus = samples(page(state)), status_json(state)["hosts"][0]["gpus"]
    for key in ("total", "used", "other", "unheld", "estimate"):
        sizes = {labels["gpu"]: value for labels, value in told[f"gpudeck_gpu_memory_{key}_bytes"]}
        assert sizes == {str(n): gpu[f"{key}_bytes"] for n, gpu in enumerate(gpus)}
    models = {model["name"]: model for model in status_json(state)["models"]}
    usage = {labels["model"]: value for labels, value in told["gpudeck_model_kv_cache_usage_ratio"]}
    assert usage == {name: model["kv_usage"] for name, model in models.items() if model["kv_usage"] is not None}
    states = {labels["model"]: labels["state"] for labels, value in told["gpudeck_model_state"] if value}
    assert states == {name: model["state"] for name, model in models.items()}


def test_the_kinds_of_an_estimate_add_up(state: FleetState) -> None:
    sums: dict[str, float] = {}
    for labels, value in samples(page(state))["gpudeck_model_memory_estimate_bytes"]:
        sums[labels["model"]] = sums.get(labels["model"], 0) + value
    assert sums == {model.name: model.estimate_bytes for model in state.models if model.estimate}


def test_findings_are_counted_by_code_and_subject(state: FleetState) -> None:
    finding = Finding("KV001", Severity.ERROR, Tense.NOW, "too long", model="a")
    twice = replace(state, findings=(finding, finding, replace(finding, model="b")))
    counted = {labels["model"]: value for labels, value in samples(page(twice))["gpudeck_findings"]}
    assert counted == {"a": 2, "b": 1}


def test_a_label_may_hold_anything(state: FleetState) -> None:
    odd = 'a "quoted" \\ name\nof two lines'
    ((labels, _),) = samples(page(replace(state, fleet=odd)))["gpudeck_host_reading_age_seconds"]
    assert labels["fleet"] == odd


def test_what_a_lost_host_said_last_is_not_told_as_new(session: RecordedSession) -> None:
    session.board.publish(recorded_snapshot(Link.LOST, "gone"))
    told = samples(page(session.state()))
    assert [labels["state"] for labels, value in told["gpudeck_host_state"] if value] == ["lost"]
    assert "gpudeck_gpu_memory_used_bytes" not in told
    assert "gpudeck_model_memory_used_bytes" not in told
    assert "gpudeck_model_kv_cache_usage_ratio" not in told
    assert told["gpudeck_gpu_memory_estimate_bytes"]


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on this machine (apt-get install prometheus)")
def test_promtool_has_nothing_to_say(state: FleetState) -> None:
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=page(state), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_metric_is_documented_as_it_is() -> None:
    documented = (ROOT / "docs" / "prometheus.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in documented if line.startswith("| `gpudeck_")]
    assert rows == [
        f"| `{metric.name}` | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
