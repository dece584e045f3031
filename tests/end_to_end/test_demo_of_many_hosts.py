"""A demo of two hosts at rush hour, asked as a user asks it: over real SSH, by the command line."""

from __future__ import annotations

import json
from typing import Any

from command_line import gpudeck

from fleet.simulator.child import Demo

DEMO_OPTIONS = {"hosts": 2, "scenario": "rush-hour"}


def document(*words: str) -> Any:
    done = gpudeck(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_host_answers_and_serves_its_own_models(demo: Demo) -> None:
    status = document("status", str(demo.fleet_file), "--json")
    assert [(host["name"], host["state"]) for host in status["hosts"]] == [("gpu01", "live"), ("gpu02", "live")]
    places = {model["name"]: model["place"] for model in status["models"] if model["state"] == "serving"}
    assert places["llama-3.1-8b"] == "gpu01/0"
    assert places["llama-3.1-8b-gpu02"] == "gpu02/0"
    assert places["docling-gpu02"] == "gpu02/3"


def test_capacity_counts_copies_on_both_by_the_memory_that_was_read(demo: Demo) -> None:
    status = document("status", str(demo.fleet_file), "--json")
    words = ("--add", "Qwen/Qwen3-32B", "util=0.4", "len=16k", "--json")
    found = document("capacity", str(demo.fleet_file), *words)
    measured = {gpu["id"]: gpu["total_bytes"] for host in status["hosts"] for gpu in host["gpus"]}
    assert {gpu["id"]: gpu["total_bytes"] for gpu in found["gpus"]} == measured
    (model,) = found["models"]
    hosts = [place["place"].partition("/")[0] for place in model["now"]["places"] if place["copies"]]
    assert hosts.count("gpu01") == hosts.count("gpu02") > 0
