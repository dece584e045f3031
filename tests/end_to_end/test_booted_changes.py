"""Changes of more than one step or model, carried out on a host with a real systemd, sudo and OpenSSH."""

from __future__ import annotations

import json
from pathlib import Path

from booted_hosts import BootedHost, gpudeck
from booted_rollouts import SERVING, apply, models, status


def test_a_spare_copy_behind_the_router_serves_while_a_model_is_started_anew(host: BootedHost, fleet: Path) -> None:
    text = fleet.read_text()
    first, rest = text.index("  a:\n"), text.index("  b:\n")
    router = '    router: {add: "logger -t router add {url}", remove: "logger -t router rm {url}"}\n'
    spare = f"{{place: {host.name}/3, service: systemd:vllm-c.service, url: http://127.0.0.1:8003, enabled: false}}"
    fleet.write_text(f"{text[:rest]}{router}    replicas:\n      - {spare}\n")
    assert first < rest
    host.sh("systemctl stop vllm-b vllm-c")
    plan = json.loads(gpudeck(fleet, "plan", str(fleet), "--set", "a.max-model-len=4096", "--json").stdout)
    assert plan["downtime_seconds"] == {}
    done = apply(fleet, "--set", "a.max-model-len=4096")
    assert done.returncode == 0, done.stderr
    told = host.sh("journalctl -t router -o cat").splitlines()
    a, c = "http://127.0.0.1:8001", "http://127.0.0.1:8003"
    assert told == [f"add {c}", f"rm {a}", f"add {a}", f"rm {c}"]
    assert host.sh("systemctl is-active vllm-a vllm-c || true") == "active\ninactive"
    assert "max-model-len: 4096" in fleet.read_text()
    assert {model["name"]: model["state"] for model in status(fleet)["models"]} == {"a": "serving", "a_2": "disabled"}


def test_a_cordoned_gpu_takes_nothing_new_and_an_evacuated_one_is_left_empty(host: BootedHost, fleet: Path) -> None:
    done = gpudeck(fleet, "cordon", f"{host.name}/2", "--why", "fan", "--fleet", str(fleet))
    assert (done.returncode, done.stdout) == (0, f"{host.name}/2 is cordoned.\n"), done.stderr
    refused = gpudeck(fleet, "plan", str(fleet), "--move", f"a={host.name}/2")
    assert (refused.returncode, f"a cannot be placed on {host.name}/2: cordoned by" in refused.stderr) == (2, True)
    moved = apply(fleet, "--evacuate", f"{host.name}/0")
    assert moved.returncode == 0, moved.stderr
    gpus = status(fleet)["hosts"][0]["gpus"]
    assert (gpus[0]["models"], gpus[2]["models"]) == ([], [])
    assert [gpu["cordoned"] and gpu["cordoned"]["why"] for gpu in gpus] == [None, None, "fan", None]
    assert {model["state"] for model in status(fleet)["models"]} == {"serving"}
    gpudeck(fleet, "uncordon", host.name, "--fleet", str(fleet))
    assert [gpu["cordoned"] for gpu in status(fleet)["hosts"][0]["gpus"]] == [None] * 4
    assert "cordon" in gpudeck(fleet, "audit", str(fleet), "--host", host.name).stdout
    host.sh("rm /var/lib/gpudeck/cordons")


def test_everything_on_a_gpu_is_restarted_one_after_the_other(host: BootedHost, fleet: Path) -> None:
    before = host.sh("systemctl show -p MainPID vllm-a vllm-b vllm-c").split()
    done = gpudeck(fleet, "restart", "--on", f"{host.name}/0", "--fleet", str(fleet), "--yes")
    assert done.returncode == 0, done.stderr
    after = host.sh("systemctl show -p MainPID vllm-a vllm-b vllm-c").split()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]
    assert models(fleet) == SERVING


def test_a_crash_loop_is_stopped_and_not_awaited(host: BootedHost, fleet: Path) -> None:
    host.fault("c", "crash")
    done = apply(fleet, "--set", "c.gpu-memory-utilization=0.5")
    assert done.returncode == 1
    assert "OutOfMemoryError: HIP out of memory" in done.stderr
    assert "It is stopped now." in done.stderr
    assert host.sh("systemctl is-active vllm-c || true") in ("inactive", "failed")
    assert models(fleet)["a"] == SERVING["a"]
