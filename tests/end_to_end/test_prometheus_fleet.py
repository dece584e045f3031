"""A fleet of 32 hosts read through Debian's own Prometheus server, without a connection to any host."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from command_line import GPUDECK, ROOT, gpudeck
from exporter_pages import TOTAL_MIB, amd_page, vllm_page
from prometheus_server import MISSING, Exporters, PrometheusServer, exporters, prometheus_server
from terminal import Terminal

from console.session import Session
from fleet.inventory.loading import load
from fleet.readings import Link
from fleet.simulator.child import Demo

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

HOSTS = [f"gpu{number:02}" for number in range(1, 33)]
MIB = 1 << 20
LLAMA = """\
models:
  llama:
    source: meta-llama/Llama-3.1-8B-Instruct
    engine: vllm 0.10.0
    place: gpu07/2
    service: systemd:llama.service
    url: http://127.0.0.1:8001
"""


@dataclass(frozen=True, slots=True)
class Scraped:
    """A fleet that a Prometheus server scrapes."""

    played: Exporters
    server: PrometheusServer
    fleet_file: Path


def used(host: int, gpu: int) -> int:
    """MiB in use on a GPU: different on each."""
    return 1_000 * (host + 1) + gpu


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("prometheus")
    pages = {f"/{name}:5000": amd_page(name, {g: used(n, g) for g in range(8)}) for n, name in enumerate(HOSTS)}
    pages["/gpu07:8001"] = vllm_page("meta-llama/Llama-3.1-8B-Instruct", usage=0.25, running=3, waiting=2)
    with exporters(pages) as played, prometheus_server(folder, played) as server:
        fleet_file = folder / "fleet.yaml"
        hosts = "".join(f"  {name}: {{accelerator: MI300X, gpus: 8}}\n" for name in HOSTS)
        fleet_file.write_text(f"fleet: many\ntelemetry: {{prometheus: '{server.url}'}}\nhosts:\n{hosts}{LLAMA}")
        server.until_scraped(len(pages))
        yield Scraped(played, server, fleet_file)


async def test_256_gpus_are_read_with_at_most_three_queries_a_cycle(scraped: Scraped) -> None:
    session = Session(load(scraped.fleet_file), interval=0.05)
    before = scraped.server.queries()
    async with session.watching():
        seen = await session.board.until(HOSTS[-1], lambda seen: bool(seen.reading and seen.reading.sequence >= 5), 30)
    asked = scraped.server.queries() - before
    assert seen.reading
    assert 2 * seen.reading.sequence <= asked <= 3 * (seen.reading.sequence + 1)
    readings = [session.board.snapshots[name].reading for name in HOSTS]
    assert [[gpu.used_bytes for gpu in reading.gpus] if reading else None for reading in readings] == [
        [used(n, gpu) * MIB for gpu in range(8)] for n in range(32)
    ]
    gpu = session.state().gpu(session.inventory.gpu_ids[5]).reading
    assert gpu is not None
    assert (gpu.identity.total_bytes, gpu.busy_percent, gpu.temperature_c) == (TOTAL_MIB * MIB, 15, 55.0)
    assert (gpu.memory_temperature_c, gpu.power_w, gpu.identity.product) == (45.0, 405.0, "MI300X")


async def test_series_of_other_fleets_are_left_out(scraped: Scraped) -> None:
    inventory = load(scraped.fleet_file)
    assert inventory.prometheus is not None
    server = replace(inventory.prometheus, match={"serial_number": "gpu05-3", "job": "gpus"})
    session = Session(replace(inventory, prometheus=server), interval=0.05)
    async with session.watching():
        seen = await session.board.until("gpu05", lambda snapshot: snapshot.link is Link.LIVE, 30)
    assert seen.reading is not None
    assert [gpu.used_bytes for gpu in seen.reading.gpus] == [used(4, 3) * MIB]
    assert session.board.snapshots["gpu06"].reading is None


async def test_an_exporter_that_dies_leaves_its_host_stale_and_back_again_live(scraped: Scraped) -> None:
    session = Session(load(scraped.fleet_file), interval=0.05)
    page = scraped.played.pages["/gpu03:5000"]
    async with session.watching():
        await session.board.until("gpu03", lambda seen: seen.link is Link.LIVE, 30)
        del scraped.played.pages["/gpu03:5000"]
        try:
            stale = await session.board.until("gpu03", lambda seen: seen.link is not Link.LIVE, 30)
            assert stale.link is Link.STALE
            assert stale.reason == "Prometheus has no GPU of gpu03 now."
            await session.board.until("gpu04", lambda seen: seen.link is Link.LIVE, 30)
        finally:
            scraped.played.pages["/gpu03:5000"] = page
        await session.board.until("gpu03", lambda seen: seen.link is Link.LIVE, 30)


def test_status_tells_what_is_measured_and_what_nobody_says(scraped: Scraped) -> None:
    done = gpudeck("status", str(scraped.fleet_file), "--json")
    status: Any = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    host = status["hosts"][6]
    assert (host["name"], host["state"], host["exporter"]) == ("gpu07", "live", "AMD's device metrics exporter")
    assert host["age_seconds"] < 10
    gpu = host["gpus"][2]
    assert (gpu["used_bytes"], gpu["other_bytes"], gpu["pci"]) == (used(6, 2) * MIB, None, None)
    (model,) = status["models"]
    assert (model["state"], model["used_bytes"]) == ("serving", None)
    assert (model["kv_usage"], model["running"], model["waiting"]) == (0.25, 3, 2)


@pytest.mark.parametrize("words", [("restart", "llama", "--yes"), ("logs", "llama")])
def test_an_action_on_a_host_without_an_address_is_refused_with_the_reason(
    scraped: Scraped, words: tuple[str, ...]
) -> None:
    done = gpudeck(*words, "--fleet", str(scraped.fleet_file))
    assert done.returncode == 3
    assert "gpu07 has no address in the fleet file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def small(scraped: Scraped, tmp_path: Path) -> Path:
    """A fleet file of three of the hosts, the model on the first of them."""
    fleet_file = tmp_path / "fleet.yaml"
    hosts = "".join(f"  {name}: {{accelerator: MI300X, gpus: 8}}\n" for name in ("gpu07", "gpu08", "gpu09"))
    telemetry = f"telemetry: {{prometheus: '{scraped.server.url}'}}\n"
    fleet_file.write_text(f"fleet: few\n{telemetry}hosts:\n{hosts}{LLAMA.replace('/2', '/0')}")
    return fleet_file


def terminal(*words: str) -> Terminal:
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    return Terminal([*GPUDECK, *words], columns=160, rows=48, environment=environment)


def test_the_wallboard_shows_such_a_fleet(small: Path) -> None:
    with terminal("wall", str(small)) as wall:
        wall.until("3 of 3 hosts live")
        assert "1 serving" in wall.until(f"{used(6, 0) * MIB / 2**30:.1f}/192.0")
        wall.press("q")
        assert wall.wait() == 0


def test_the_console_shows_what_is_known_and_refuses_to_plan_what_it_cannot_reach(small: Path) -> None:
    with terminal(str(small)) as console:
        console.until("3 of 3 hosts live")
        console.until("KV 25% used")
        console.press("z")
        console.until("not known: AMD's device metrics exporter, read through Prometheus, shows none")
        assert "not said, 0, –" in console.text, "an exporter's number is amd-smi's, and no HIP index"
        console.until("esc back")
        console.press("\x1b")
        console.until("r restart")
        console.press("r")
        console.until("draft: 1 change")
        console.press("p")
        console.until("gpu07 has no address in the fleet file")


def test_looking_opens_no_connection_to_a_host_that_has_an_address(scraped: Scraped, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        (tmp_path / "ssh_config").write_text(f"Host *\n  HostName 127.0.0.1\n  Port {listener.getsockname()[1]}\n")
        fleet_file = tmp_path / "fleet.yaml"
        text = scraped.fleet_file.read_text().replace("hosts:\n", "ssh_config: ssh_config\nhosts:\n", 1)
        fleet_file.write_text(re.sub(r"  (gpu\d+): \{", r"  \1: {address: ops@\1, ", text))
        done = gpudeck("status", str(fleet_file), "--format", "prometheus")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("gpudeck_gpu_memory_used_bytes{") == 256
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_change_is_planned_from_what_ssh_says_where_there_is_an_address(scraped: Scraped, demo: Demo) -> None:
    fleet_file = demo.fleet_file.with_name("through-prometheus.yaml")
    telemetry = f"telemetry: {{prometheus: '{scraped.server.url}'}}\nhosts:\n"
    fleet_file.write_text(demo.fleet_file.read_text().replace("hosts:\n", telemetry, 1))
    seen = json.loads(gpudeck("status", str(fleet_file), "--json").stdout)["hosts"][0]
    assert (seen["exporter"], seen["gpus"][0]["used_bytes"]) == ("AMD's device metrics exporter", used(0, 0) * MIB)
    done = gpudeck("plan", str(fleet_file), "--move", "kb-whisper-large=gpu01/7", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [step["action"] for step in plan["steps"]][-2:] == ["start", "wait"]
    start = plan["steps"][-2]
    assert start["free_bytes"] < (TOTAL_MIB - used(0, 7)) * MIB, "GPU 7 as the probe sees it, and no exporter"
    assert "GPU-" in json.dumps(plan["steps"]), "pinned by an id that only the probe tells"


def test_a_change_is_carried_out_where_there_is_an_address(scraped: Scraped, demo: Demo, tmp_path: Path) -> None:
    fleet_file = demo.fleet_file.with_name("changed.yaml")
    telemetry = f"telemetry: {{prometheus: '{scraped.server.url}'}}\nhosts:\n"
    fleet_file.write_text(demo.fleet_file.read_text().replace("hosts:\n", telemetry, 1))
    argv = [
        sys.executable,
        "-m",
        "console.cli",
        "apply",
        str(fleet_file),
        "--move",
        "kb-whisper-large=gpu01/7",
        "--yes",
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "place: gpu01/7" in fleet_file.read_text()
