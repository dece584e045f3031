"""The lines for sudo are those that rollouts need: no fewer, and no more than they run."""

from __future__ import annotations

import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from bench import Bench

from console.doctor.sudo import grants, sudoers
from fleet.commands import Answer, Write
from fleet.inventory import Host
from fleet.inventory.changes import Move
from fleet.inventory.loading import load
from fleet.model import Engine, Model, Place
from fleet.services.detached import Launch

FLEET = Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml"


def model(service: str, **more: str) -> Model:
    return Model("m", Engine("other"), place=Place.parse("gpu01/0"), service=service, memory_bytes=1, **more)  # type: ignore[arg-type]


def lines(service: str, **more: str) -> list[str]:
    host = Host("gpu01", "ops@gpu01", "MI300X", 8)
    without = {grant.line for grant in grants(host, ())}
    return [grant.line for grant in grants(host, [model(service, **more)]) if grant.line not in without]


async def test_all_that_a_rollout_runs_as_root_is_granted(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state" / "test.sqlite")
    bench.add("a", "gpu01/0", 100)
    seen: list[tuple[str, ...]] = []
    plain = bench.host.write

    async def write(command: Write, timeout: float = 0) -> Answer:
        seen.append(command.words)
        if isinstance(command, Launch):
            seen.extend(inner.words for inner in command.commands)
            renewal = re.search(r"\| (sudo -n -- .*?) >/dev/null 2>&1; }", command.stdin.decode())
            assert renewal is not None
            seen.append(tuple(renewal[1].split()))
        return await plain(command, timeout)

    bench.host.write = write  # type: ignore[method-assign]
    await bench.run(Move("a", Place.parse("gpu01/1")))
    bench.follow(Move("a", Place.parse("gpu01/1")))
    await bench.run(Move("a", Place.parse("gpu01/0")))  # takes the overlay away again
    as_root = {words[3:] for words in seen if words[:3] == ("sudo", "-n", "--")}
    patterns = [" ".join(grant.words) for grant in grants(bench.inventory.hosts[0], bench.inventory.models)]
    refused = [words for words in as_root if not any(fnmatchcase(" ".join(words), each) for each in patterns)]
    assert {("systemctl", "stop", "a.service"), ("tee", "/run/gpudeck-rollout/holder")} < as_root
    assert refused == []


def test_a_unit_is_granted_its_own_drop_in_and_no_other() -> None:
    found = lines("systemd:vllm-a.service")
    assert "/usr/bin/systemctl start vllm-a.service" in found
    assert "/usr/bin/tee /etc/systemd/system/vllm-a.service.d/50-gpudeck.conf.new" in found
    assert not [line for line in found if "*" in line]
    assert all("vllm-a.service" in line or line.endswith("daemon-reload") for line in found)


def test_a_service_that_others_make_is_only_started_and_stopped() -> None:
    assert lines("systemd:a.service", managed="a.yaml") == [
        "/usr/bin/systemctl start a.service",
        "/usr/bin/systemctl stop a.service",
    ]


@pytest.mark.parametrize(
    ("service", "programs"),
    [("docker:a", ["/usr/bin/docker"]), ("podman:a", ["/usr/bin/podman"]), ("systemd-user:a.service", [])],
)
def test_containers_need_their_whole_program_and_a_users_units_nothing(service: str, programs: list[str]) -> None:
    assert lines(service) == programs


def test_a_host_without_root_needs_no_lines() -> None:
    assert sudoers(Host("gpu01", "ops@gpu01", "MI300X", 8, become="none"), [model("systemd-user:a.service")]) == ""


@pytest.mark.skipif(shutil.which("visudo", path="/usr/sbin:/usr/bin:/sbin") is None, reason="there is no sudo here")
def test_sudo_itself_accepts_the_lines(tmp_path: Path) -> None:
    inventory = load(FLEET)
    odd = model(r"systemd:vllm\x2da:b@c.service")
    path = tmp_path / "gpudeck"
    path.write_text(sudoers(inventory.hosts[0], [*inventory.models, odd]), encoding="utf-8")
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin:/sbin")
    assert visudo
    done = subprocess.run([visudo, "-cf", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
