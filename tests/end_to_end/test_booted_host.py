"""A host with a real systemd, sudo and OpenSSH: what is read of it, and what is done to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from booted_hosts import MODELS, BootedHost, gpudeck
from booted_rollouts import PATIENCE, SERVING, apply, models, overlay_of, status

from console.changing.carrying_out import follow_what_stands
from console.changing.planning import plan_changes
from console.session import Session
from fleet.inventory.loading import load
from fleet.readings import HostSnapshot, Link
from fleet.units import GiB


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


def test_a_log_is_read_as_root_where_the_user_may_not(host: BootedHost, fleet: Path) -> None:
    assert host.sh("runuser -u ops -- journalctl -u vllm-a -o cat -n 1 --no-pager") == ""
    done = gpudeck(fleet, "logs", "a", "-n", "1", "--fleet", str(fleet))
    assert "Application startup complete." in done.stdout


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
