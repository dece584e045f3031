"""A host with a real systemd, sudo and OpenSSH: what is read of it, what is done to it, and what is done against it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from booted_hosts import MODELS, BootedHost, booted

from console.changing.carrying_out import follow_what_stands, plan_changes
from console.session import Session
from fleet.inventory.loading import load
from fleet.readings import HostSnapshot, Link
from fleet.units import GiB

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
BEGUN: list[subprocess.Popen[str]] = []
"""Processes that a test may leave behind when it fails."""


@pytest.fixture(scope="module")
def only_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedHost]:
    with booted(tmp_path_factory.mktemp("booted")) as host:
        yield host


@pytest.fixture
def host(only_host: BootedHost) -> Iterator[BootedHost]:
    """The host as it should be; it is set right again behind a test that moved it."""
    yield only_host
    while BEGUN:
        process = BEGUN.pop()
        process.kill()
        process.wait()
    only_host.thaw()
    only_host.link("up")
    only_host.reset()


@pytest.fixture
def fleet(host: BootedHost, tmp_path: Path) -> Path:
    return host.fleet(tmp_path / "fleet.yaml")


def words_of(tmp: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "console.cli", *words], {**os.environ, "XDG_STATE_HOME": str(tmp / "state")}


def gpudeck(fleet: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command, environment = words_of(fleet.parent, *words)
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env=environment,
        check=False,
    )


def apply(fleet: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return gpudeck(fleet, "apply", str(fleet), *words, "--yes")


def begun(fleet: Path, until: str, *words: str) -> subprocess.Popen[str]:
    """An apply that has begun that step; the plan it shows first tells times as well."""
    command, environment = words_of(fleet.parent, "apply", str(fleet), *words, "--yes")
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment
    )
    BEGUN.append(process)
    assert process.stderr
    for line in process.stderr:
        if until in line and "~" not in line:
            return process
    raise AssertionError(f"it ended with status {process.wait()} and never began {until!r}")


def status(fleet: Path) -> Any:
    return json.loads(gpudeck(fleet, "status", str(fleet), "--json").stdout)


def models(fleet: Path) -> dict[str, tuple[str, int]]:
    """Of each model its state and the whole GiB it holds."""
    return {model["name"]: (model["state"], model["used_bytes"] // GiB) for model in status(fleet)["models"]}


SERVING = {"a": ("serving", 76), "b": ("serving", 76), "c": ("serving", 115)}


def overlay_of(host: BootedHost, model: str) -> str:
    return host.sh(f"cat /etc/systemd/system/vllm-{model}.service.d/50-gpudeck.conf 2>/dev/null || true")


def test_status_is_the_truth_of_its_kernel_and_its_systemd(host: BootedHost, fleet: Path) -> None:
    assert models(fleet) == SERVING
    host.sh("systemctl stop vllm-b")
    seen = status(fleet)
    assert {m["name"]: m["state"] for m in seen["models"]} == {"a": "serving", "b": "stopped", "c": "serving"}
    assert seen["hosts"][0]["gpus"][0]["used_bytes"] < 80 * GiB


def test_init_writes_the_fleet_that_its_units_serve(host: BootedHost, fleet: Path, tmp_path: Path) -> None:
    done = gpudeck(fleet, "init", f"ops@{host.name}", "--ssh-config", f"{host.directory}/ssh_config", "-o", "-")
    found = tmp_path / "found.yaml"
    found.write_text(done.stdout)
    told = {model.name: (str(model.place), model.service, model.url) for model in load(found).models}
    meant = {model.name: (str(model.place), model.service, model.url) for model in load(fleet).models}
    assert told == meant


def test_a_change_of_arguments_is_a_drop_in_and_a_restart(host: BootedHost, fleet: Path) -> None:
    done = apply(fleet, "--set", "a.gpu-memory-utilization=0.3")
    assert done.returncode == 0, done.stderr
    assert models(fleet)["a"] == ("serving", 57)
    assert "--gpu-memory-utilization 0.3" in overlay_of(host, "a")
    assert "gpu-memory-utilization: 0.3" in fleet.read_text()
    assert host.sh("cat /etc/systemd/system/vllm-a.service").count("0.4") == 1
    assert "done  a.gpu-memory-utilization=0.3" in gpudeck(fleet, "audit", str(fleet)).stdout
    told = gpudeck(fleet, "audit", str(fleet), "--host", host.name, "-n", "3").stdout
    assert [line.partition("rollout ")[2].split()[1] for line in told.splitlines()] == ["stop", "write", "start"]


async def test_what_runs_otherwise_already_is_taken_into_the_file_without_a_restart(
    host: BootedHost, fleet: Path
) -> None:
    unit = "/etc/systemd/system/vllm-a.service"
    host.sh(f"cp {unit} /tmp/own; sed -i 's/utilization 0.4/utilization 0.3/' {unit}; systemctl daemon-reload")
    host.sh("systemctl restart vllm-a; until curl -sf 127.0.0.1:8001/health; do sleep 0.05; done")
    session = Session(load(fleet), state_folder=fleet.parent, interval=0.2)
    async with session.watching():
        await session.board.until(host.name, lambda snapshot: "a" in snapshot.starts, PATIENCE)
        (drift,) = [finding for finding in session.state().findings if finding.code == "LIVE003"]
        plan = await plan_changes(session, drift.fixes[0].changes)
        problem = follow_what_stands(session, plan)
    host.sh(f"mv /tmp/own {unit}")
    assert (drift.fixes[0].summary, plan.steps, problem) == ("take into the file: gpu-memory-utilization 0.3", (), "")
    assert load(fleet).model("a").args["gpu-memory-utilization"] == 0.3


def test_a_move_is_seen_on_the_gpu_it_was_meant_for(host: BootedHost, fleet: Path) -> None:
    done = apply(fleet, "--move", f"b={host.name}/2")
    assert done.returncode == 0, done.stderr
    assert [gpu["models"] for gpu in status(fleet)["hosts"][0]["gpus"]] == [["a"], ["c"], ["b"], []]
    assert "UnsetEnvironment=HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES" in overlay_of(host, "b")


def test_a_refused_start_is_told_in_the_engines_words_and_rolled_back(host: BootedHost, fleet: Path) -> None:
    before = fleet.read_text()
    done = apply(fleet, "--set", "a.max-model-len=40960")
    assert done.returncode == 1
    assert "The model's max seq len (40960) is larger than the maximum number of tokens" in done.stderr
    assert models(fleet) == SERVING
    assert (overlay_of(host, "a"), fleet.read_text()) == ("", before)


def test_what_would_go_wrong_is_found_before_anything_stops(host: BootedHost, fleet: Path) -> None:
    host.sh(
        "systemctl stop vllm-a; systemd-run -q --unit=squatter python3 -m http.server 8001; "
        "mkdir -p /etc/systemd/system/vllm-a.service.d /etc/systemd/system/vllm-c.service.d; "
        "printf '[Service]\\nType=notify\\nTimeoutStartSec=5\\nEnvironmentFile=/etc/gone.env\\n"
        "EnvironmentFile=/etc/token.env\\n' >/etc/systemd/system/vllm-a.service.d/10-test.conf; "
        "printf '[Unit]\\nPartOf=vllm-b.service\\n' >/etc/systemd/system/vllm-c.service.d/10-test.conf; "
        "echo HF_TOKEN=qwertz >/etc/token.env; systemctl daemon-reload; "
        "until curl -sf 127.0.0.1:8001; do sleep 0.1; done"
    )
    changes = ("--set", "a.max-model-len=4096", "--set", "b.max-model-len=4096")
    done = gpudeck(fleet, "plan", str(fleet), *changes, "--json")
    host.sh("systemctl stop squatter; rm /etc/token.env")
    found = {finding["code"]: finding["message"] for finding in json.loads(done.stdout)["findings"]}
    assert f"port 8001 on {host.name} is taken" in found["PRE001"]
    assert "start may take 5 s (TimeoutStartSec=)" in found["PRE002"]
    assert "/etc/gone.env is not on" in found["PRE004"]
    assert "also stops vllm-c.service, which serves c" in found["PRE005"]
    assert f"every user of {host.name} can read HF_TOKEN in /etc/token.env" in found["PRE006"]
    assert "qwertz" not in done.stdout + done.stderr
    refused = apply(fleet, *changes)
    assert (refused.returncode, "may not serve after this" in refused.stderr) == (2, True)
    assert host.sh("systemctl is-active vllm-b vllm-c") == "active\nactive"


def test_what_its_user_may_not_open_and_weights_that_are_not_whole_are_found_too(host: BootedHost, fleet: Path) -> None:
    index = json.dumps(
        {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    )
    cached = "/srv/hub/models--Qwen--Qwen3-8B/snapshots/main"
    host.sh(
        "useradd -r llm; groupadd -rf render; install -m 660 -g render /dev/null /dev/kfd; "
        f"mkdir -p {cached}; echo '{index}' >{cached}/model.safetensors.index.json; "
        f"echo x >{cached}/model-00001-of-00002.safetensors; echo hf_x >/srv/token; chmod 600 /srv/token; "
        "mkdir -p /etc/systemd/system/vllm-a.service.d; "
        "printf '[Service]\\nUser=llm\\nEnvironment=HF_HUB_CACHE=/srv/hub HF_HUB_OFFLINE=1\\n"
        "Environment=HF_TOKEN_PATH=/srv/token\\n' "
        ">/etc/systemd/system/vllm-a.service.d/10-test.conf; systemctl daemon-reload"
    )
    done = gpudeck(fleet, "plan", str(fleet), "--set", "a.max-model-len=4096", "--json")
    host.sh("rm -r /dev/kfd /srv/hub /srv/token; userdel llm")
    found = {finding["code"]: finding["message"] for finding in json.loads(done.stdout)["findings"]}
    assert "it runs as llm, who is not in the group render and so may not open /dev/kfd" in found["PRE007"]
    assert f"who may not read /srv/token on {host.name}" in found["PRE008"]
    assert "1 of 2 parts of its weights are not in /srv/hub" in found["PRE010"]
    assert "forbids fetching" in found["PRE010"]


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


def test_a_log_is_read_as_root_where_the_user_may_not(host: BootedHost, fleet: Path) -> None:
    assert host.sh("runuser -u ops -- journalctl -u vllm-a -o cat -n 1 --no-pager") == ""
    done = gpudeck(fleet, "logs", "a", "-n", "1", "--fleet", str(fleet))
    assert "Application startup complete." in done.stdout


def test_a_crash_loop_is_stopped_and_not_awaited(host: BootedHost, fleet: Path) -> None:
    host.fault("c", "crash")
    done = apply(fleet, "--set", "c.gpu-memory-utilization=0.5")
    assert done.returncode == 1
    assert "OutOfMemoryError: HIP out of memory" in done.stderr
    assert "It is stopped now." in done.stderr
    assert host.sh("systemctl is-active vllm-c || true") in ("inactive", "failed")
    assert models(fleet)["a"] == SERVING["a"]


SLOW = """\
#!/bin/sh
case "$*" in *"$(cat /srv/slow)"*) sleep "$(cat /srv/seconds)" ;; esac
exec /usr/bin/$(basename "$0") "$@"
"""
"""Stands before a program of the host, for whoever becomes root: what is called slow takes seconds."""


@pytest.fixture
def slowly(host: BootedHost) -> Iterator[Callable[..., None]]:
    """Commands whose line holds these words take seconds there."""
    host.sh(f"cat >/usr/local/bin/systemctl <<'EOF'\n{SLOW}EOF\ncp /usr/local/bin/systemctl /usr/local/bin/tee")
    host.sh("chmod +x /usr/local/bin/systemctl /usr/local/bin/tee")

    def slow(words: str, seconds: int = 4) -> None:
        host.sh(f"echo {seconds} >/srv/seconds; echo {shlex.quote(words)} >/srv/slow")

    yield slow
    host.sh("rm -f /usr/local/bin/systemctl /usr/local/bin/tee /srv/slow /srv/seconds")


STEPS = "/home/ops/.gpudeck-steps"


def midway(host: BootedHost, number: int) -> None:
    """Wait until the host is at the step of that number."""
    host.sh(f"until ls {STEPS}/*-{number}; do sleep 0.05; done")


def finished(host: BootedHost, number: int) -> str:
    """Wait until the host has finished that step: the number of its last command, and the status of that."""
    return host.sh(f"until ls {STEPS}/*-{number}.*; do sleep 0.05; done").rpartition("/")[2].partition(".")[2]


CHANGE = ("--set", "a.gpu-memory-utilization=0.3")


@pytest.mark.parametrize(
    ("step", "number", "words", "ends"),
    [("1 stop", 1, "stop vllm-a", "1.0"), ("2 write", 2, "50-gpudeck", "4.0"), ("3 start", 3, "start vllm-a", "1.0")],
)
def test_a_step_whose_console_is_killed_ends_on_its_host_as_a_whole_and_is_gone_on_from(
    host: BootedHost, fleet: Path, slowly: Callable[[str], None], step: str, number: int, words: str, ends: str
) -> None:
    slowly(words)
    process = begun(fleet, step, *CHANGE)
    midway(host, number)
    process.kill()
    process.wait(PATIENCE)
    assert finished(host, number) == ends
    state = host.sh("systemctl is-active vllm-a || true")
    assert (state, "0.3" in overlay_of(host, "a")) == ("active" if number == 3 else "inactive", number > 1)
    done = gpudeck(fleet, "apply", str(fleet), "--resume")
    assert done.returncode == 0, done.stderr
    assert f"{host.name} has finished {step[2:]} a by itself." in done.stderr
    assert (step in done.stderr) == (number == 1)
    assert models(fleet) == {**SERVING, "a": ("serving", 57)}
    assert host.sh(f"ls -d {STEPS} /run/gpudeck* || true") == ""


def test_whoever_resumes_too_early_waits_for_the_step_under_way(
    host: BootedHost, fleet: Path, slowly: Callable[[str], None]
) -> None:
    slowly("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    process.kill()
    process.wait(PATIENCE)
    done = gpudeck(fleet, "apply", str(fleet), "--rollback")
    assert done.returncode == 0, done.stderr
    assert f"{host.name} has finished stop a by itself." in done.stderr
    assert (models(fleet), overlay_of(host, "a")) == (SERVING, "")


def test_an_interrupted_console_says_that_its_host_finishes_the_step(
    host: BootedHost, fleet: Path, slowly: Callable[[str], None]
) -> None:
    slowly("50-gpudeck")
    process = begun(fleet, "2 write", *CHANGE)
    midway(host, 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert process.stderr
    assert f"Interrupted; {host.name} finishes write a, the step under way, if begun." in process.stderr.read()
    assert finished(host, 2) == "4.0"
    assert gpudeck(fleet, "apply", str(fleet), "--resume").returncode == 0
    assert models(fleet)["a"] == ("serving", 57)


def test_nobody_takes_a_host_over_in_the_middle_of_a_step(
    host: BootedHost, fleet: Path, tmp_path: Path, slowly: Callable[[str], None]
) -> None:
    slowly("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    process.kill()
    process.wait(PATIENCE)
    who = json.loads(host.sh("cat /run/gpudeck-rollout/holder"))["who"]
    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    other = host.fleet(elsewhere / "fleet.yaml")
    refused = apply(other, "--set", "b.gpu-memory-utilization=0.3", "--take-over", who)
    assert refused.returncode == 1
    assert f"{host.name} is being changed by {who}, in the middle of step 1 of 4 (stop a)." in refused.stderr
    assert models(fleet)["b"] == SERVING["b"]
    finished(host, 1)
    assert gpudeck(fleet, "apply", str(fleet), "--resume").returncode == 0


@pytest.mark.parametrize(
    ("step", "number", "words"), [("1 stop", 1, "stop vllm-a"), ("2 write", 2, "50-gpudeck"), ("3 start", 3, "start v")]
)
def test_a_line_cut_in_the_middle_of_a_step_is_waited_for(
    host: BootedHost, fleet: Path, slowly: Callable[[str], None], step: str, number: int, words: str
) -> None:
    slowly(words)
    process = begun(fleet, step, *CHANGE)
    midway(host, number)
    host.link("down")
    assert process.stderr
    assert any("what was begun there goes on" in line for line in process.stderr)
    host.link("up")
    assert process.wait(PATIENCE) == 0
    assert models(fleet) == {**SERVING, "a": ("serving", 57)}
    assert host.sh(f"ls {STEPS} 2>/dev/null || true") == ""


def test_a_line_cut_while_a_model_loads_is_waited_for(host: BootedHost, fleet: Path) -> None:
    process = begun(fleet, "4 wait", "--set", "a.gpu-memory-utilization=0.3")
    host.link("down")
    host.link("up")
    assert process.wait(PATIENCE) == 0
    assert models(fleet)["a"] == ("serving", 57)


def test_of_two_consoles_that_apply_at_once_one_proceeds(
    host: BootedHost, fleet: Path, tmp_path: Path, slowly: Callable[..., None]
) -> None:
    slowly("stop vllm-a", seconds=20)
    first = begun(fleet, "1 stop", "--set", "a.gpu-memory-utilization=0.3")
    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    watching = gpudeck(fleet, "status", str(fleet)).stdout
    assert f"{host.name} is being changed by " in watching
    second = apply(host.fleet(elsewhere / "fleet.yaml"), "--set", "b.gpu-memory-utilization=0.3")
    assert second.returncode == 1
    assert f"Nothing was done: {host.name} is being changed by" in second.stderr
    assert "in the middle of step 1 of 4 (stop a). Wait until it has ended." in second.stderr
    assert first.wait(PATIENCE) == 0
    assert models(fleet) == {**SERVING, "a": ("serving", 57)}
    assert host.sh("ls -d /run/gpudeck* || true") == ""


@pytest.mark.parametrize("step", ["1 stop", "2 write", "3 start", "4 wait"])
def test_a_killed_console_is_rolled_back_from_any_step(host: BootedHost, fleet: Path, step: str) -> None:
    process = begun(fleet, step, "--set", "a.gpu-memory-utilization=0.3")
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    done = gpudeck(fleet, "apply", str(fleet), "--rollback")
    assert done.returncode == 0, done.stderr
    assert models(fleet) == SERVING
    assert overlay_of(host, "a") == ""


def test_a_reboot_in_the_middle_of_a_stop_leaves_the_model_as_it_was(
    host: BootedHost, fleet: Path, slowly: Callable[[str], None]
) -> None:
    slowly("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    host.reboot()
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"on {host.name} was cut off: it was killed there, or the host came up anew." in told
    assert "It is back as it was before." in told
    host.sh("until curl -sf 127.0.0.1:8001/health; do sleep 0.05; done")
    assert models(fleet)["a"] == SERVING["a"]
    assert apply(fleet, *CHANGE).returncode == 0


async def watched(fleet: Path, *scenes: tuple[Callable[[], None], Callable[[HostSnapshot], bool]]) -> None:
    """A session goes through the scenes: something is done to the host, and it must come to see it."""
    session = Session(load(fleet), interval=0.2)
    async with session.watching():
        await session.first_readings()
        for act, seen in scenes:
            await asyncio.to_thread(act)
            (name,) = session.board.snapshots
            await session.board.until(name, seen, PATIENCE)


def is_(link: Link) -> Callable[[HostSnapshot], bool]:
    return lambda snapshot: snapshot.link is link


async def test_a_frozen_host_is_stale_then_lost_and_comes_back(host: BootedHost, fleet: Path) -> None:
    await watched(
        fleet,
        (lambda: None, is_(Link.LIVE)),
        (host.freeze, is_(Link.STALE)),
        (lambda: None, is_(Link.LOST)),
        (host.thaw, is_(Link.LIVE)),
    )


async def test_a_reboot_is_seen_as_one_and_its_models_come_back(host: BootedHost, fleet: Path) -> None:
    boots: set[str] = set()

    def back(snapshot: HostSnapshot) -> bool:
        if snapshot.reading:
            boots.add(snapshot.reading.boot_id)
        return len(boots) == 2 and [engine.healthy for engine in snapshot.engines.values()] == [True] * len(MODELS)

    await watched(
        fleet,
        (lambda: None, lambda snapshot: not back(snapshot)),
        (host.reboot, back),
    )


async def test_starts_are_read_from_its_journal_colours_and_all_and_failed_ones_too(
    host: BootedHost, fleet: Path
) -> None:
    def read(snapshot: HostSnapshot) -> bool:
        return set(snapshot.starts) == set(MODELS) and not any(start.company for start in snapshot.starts.values())

    def crash() -> None:
        host.fault("c", "crash")
        host.sh("systemctl restart vllm-c")

    seen: list[HostSnapshot] = []

    def failed(snapshot: HostSnapshot) -> bool:
        seen.append(snapshot)
        return "c" in snapshot.failures

    await watched(fleet, (lambda: None, read), (crash, failed))
    start, failure = seen[-1].starts["a"], seen[-1].failures["c"]
    (rank,) = start.startup.ranks
    assert (rank.speaker, rank.weights and rank.weights.bytes) == ("EngineCore_0", round(15.27 * GiB))
    assert (start.startup.build, start.startup.cache_tokens, start.startup.max_concurrency) == ("0.9.2", 40_000, 4.88)
    assert start.args["gpu-memory-utilization"] == 0.4
    assert start.startup.seconds is not None and 0.2 < start.startup.seconds < 20
    assert failure.startup.sentence.startswith("torch.OutOfMemoryError: HIP out of memory. Tried")
