"""The command line against the simulated host over real SSH: its words, its JSON, its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, gpudeck
from svg_text import svg_text

from fleet.inventory.loading import load
from fleet.simulator.child import Demo

DEMO_FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"
GIB = 1 << 30


def document(*words: str) -> Any:
    done = gpudeck(*words)
    return json.loads(done.stdout)


def test_status_tells_every_gpu_and_model_of_the_host(demo: Demo) -> None:
    status = document("status", str(demo.fleet_file), "--json")
    assert status["schema"] == "gpudeck/status/1"
    host = status["hosts"][0]
    assert (host["name"], host["state"]) == ("gpu01", "live")
    assert [gpu["id"] for gpu in host["gpus"]] == [f"gpu01/{n}" for n in range(8)]
    words = {model["name"]: model["state"] for model in status["models"]}
    assert words.pop("qwen3-32b") == words.pop("qwen3-235b") == "disabled"
    assert set(words.values()) == {"serving"}


def test_live_memory_lies_where_the_estimate_says(demo: Demo) -> None:
    status = document("status", str(demo.fleet_file), "--json")
    for gpu in status["hosts"][0]["gpus"]:
        assert gpu["used_bytes"] <= gpu["total_bytes"]
        assert gpu["used_bytes"] == pytest.approx(gpu["estimate_bytes"], rel=0.13), gpu["id"]


def test_the_pictures_numbers_are_those_of_the_demo(demo: Demo) -> None:
    status = document("status", str(demo.fleet_file), "--json")
    text = svg_text((ROOT / "screenshots" / "deck.svg").read_text(encoding="utf-8"))
    estimates = [float(n) for n in re.findall(r"est  \S+ +([\d.]+)/192.0", text)]
    live = [float(n) for n in re.findall(r"live \S+ +([\d.]+)/192.0", text)]
    gpus = status["hosts"][0]["gpus"]
    assert estimates == [round(gpu["estimate_bytes"] / GIB, 1) for gpu in gpus]
    assert live == pytest.approx([gpu["used_bytes"] / GIB for gpu in gpus], abs=1.0)


def test_a_host_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    ssh_config = tmp_path / "ssh_config"
    ssh_config.write_text("Host gpu01\n  HostName 127.0.0.1\n  Port 1\n")
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(DEMO_FLEET.read_text(encoding="utf-8"))
    done = gpudeck("status", str(fleet), "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["hosts"][0]["state"] == "unreachable"
    assert "gpu01" in done.stderr


def test_the_shipped_fleet_has_one_warning_and_no_error() -> None:
    done = gpudeck("check", str(DEMO_FLEET), "--json")
    assert done.returncode == 0
    findings = json.loads(done.stdout)["findings"]
    loud = [f for f in findings if f["severity"] != "info"]
    assert [(f["code"], f["severity"], f["gpu"]) for f in loud] == [("MEM002", "warning", "gpu01/1")]


def test_an_upgrade_to_the_newest_vllm_is_refused_on_gpu_1() -> None:
    done = gpudeck("check", str(DEMO_FLEET), "--engine", "vllm 0.33.0", "--json")
    assert done.returncode == 1
    errors = [f for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]
    assert [(f["code"], f["tense"], f["gpu"]) for f in errors] == [("MEM001", "what-if", "gpu01/1")]
    assert errors[0]["fixes"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("status", "nowhere.yaml"), "nowhere.yaml"),
        (("nowhere.yaml",), "nowhere.yaml"),
        (("check", str(DEMO_FLEET), "--engine", "sglang 1"), "not a version of vLLM"),
        (("plan", str(DEMO_FLEET), "--move", "qwen=gpu01/1"), "There is no model 'qwen'"),
        (("plan", str(DEMO_FLEET), "--set", "llama-3.1-8b.max-model-len=x"), "whole number"),
        (("restart", "qwen3-32b", "--fleet", str(DEMO_FLEET)), "no enabled model"),
        (("logs", "nobody", "--fleet", str(DEMO_FLEET)), "There is no model 'nobody'"),
        (("explain", "KV999"), "There is no finding"),
        (("apply", str(DEMO_FLEET)), "nothing to apply"),
        (("demo",), "needs a terminal"),
        (("plan", str(DEMO_FLEET), "--evacuate", "gpu01/9"), "are 0 to 7"),
    ],
)
def test_wrong_input_is_exit_code_2_and_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = gpudeck(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_bad_fleet_file_tells_every_problem_with_its_place(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("fleet: x\nhosts:\n  a:\n    address: a\n    accelerator: MI9\n    gpus: 8\nmodles: {}\n")
    done = gpudeck("check", str(fleet))
    assert done.returncode == 2
    assert f"{fleet}:5:" in done.stderr
    assert f"{fleet}:7:" in done.stderr


def test_the_fleet_file_comes_from_the_environment() -> None:
    assert gpudeck("check", GPUDECK_FLEET=str(DEMO_FLEET)).returncode == 0


@pytest.mark.parametrize(
    "words", [("status",), ("check",), ("audit",), ("apply", "--set", "llama-3.1-8b.max-num-seqs=8"), ("--plain",), ()]
)
@pytest.mark.parametrize("closed", ["", "<&- >&- 2>&-"])
def test_closed_streams_and_few_characters_end_in_a_contracted_code(
    demo: Demo, tmp_path: Path, words: tuple[str, ...], closed: str
) -> None:
    line = f'exec "$0" -m console.cli "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, *words, "--fleet", str(demo.fleet_file)],
        capture_output=True,
        timeout=60,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": str(tmp_path)},
        check=False,
    )
    assert b"Traceback" not in done.stderr + done.stdout
    assert done.returncode in (0, 1, 2)


def test_explain_says_why_and_what_to_do() -> None:
    done = gpudeck("explain", "kv001")
    assert done.returncode == 0
    assert "max-model-len" in done.stdout


def test_the_log_of_a_model_is_printed(demo: Demo) -> None:
    done = gpudeck("logs", "llama-3.3-70b", "--fleet", str(demo.fleet_file), "-n", "5")
    assert done.stdout.splitlines()[-1] == "INFO: Application startup complete."


def test_the_demo_fleet_file_can_be_printed() -> None:
    assert gpudeck("demo", "--print-fleet").stdout == DEMO_FLEET.read_text(encoding="utf-8")


def test_a_plan_of_a_rebalance_says_why_each_model_moves(demo: Demo) -> None:
    plan = document("plan", str(demo.fleet_file), "--rebalance", "--json")
    found = plan["rebalance"]
    assert (found["restarts"], found["proved"], found["unplaced"]) == (1, True, [])
    assert list(found["reasons"]) == [change["model"] for change in plan["changes"]] == list(plan["downtime_seconds"])
    assert not [finding for finding in plan["findings"] if finding["severity"] == "error"]


def test_a_second_reader_sees_the_same_host(demo: Demo) -> None:
    one, two = (document("status", str(demo.fleet_file), "--json") for _ in range(2))
    assert [gpu["pci"] for gpu in one["hosts"][0]["gpus"]] == [gpu["pci"] for gpu in two["hosts"][0]["gpus"]]


def test_init_writes_the_fleet_it_finds_on_a_host(demo: Demo, tmp_path: Path) -> None:
    written = tmp_path / "fleet.yaml"
    words = ("init", "ops@gpu01", "--ssh-config", str(demo.fleet_file.parent / "ssh_config"), "-o", str(written))
    done = gpudeck(*words)
    assert done.returncode == 0, done.stderr
    assert "8 GPUs, 11 models" in done.stdout
    found = load(written)
    demo_models = {model.service: model for model in load(DEMO_FLEET).models if model.enabled and model.service}
    for model in found.models:
        known = demo_models.pop(model.service or "")
        assert model.place == known.place
        if known.engine.name in ("vllm", "llama.cpp"):
            assert str(model.engine) == str(known.engine)
            assert {flag: model.args[flag] for flag in known.args if flag in model.args} == dict(known.args)
    assert not demo_models
    again = gpudeck(*words)
    assert again.returncode == 2 and "is there already" in again.stderr
    status = document("status", str(written), "--json")
    assert {model["state"] for model in status["models"]} == {"serving"}


def test_init_writes_nothing_where_a_host_is_not_reached(demo: Demo, tmp_path: Path) -> None:
    written = tmp_path / "fleet.yaml"
    config = tmp_path / "ssh_config"
    config.write_text(
        (demo.fleet_file.parent / "ssh_config").read_text(encoding="utf-8").replace("Port ", "Port 1\n  #"),
        encoding="utf-8",
    )
    done = gpudeck("init", "ops@gpu01", "--ssh-config", str(config), "-o", str(written))
    assert done.returncode == 3 and not written.exists()
    assert "Traceback" not in done.stderr
