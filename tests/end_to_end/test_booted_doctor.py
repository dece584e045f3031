"""``gpudeck doctor`` on a host with a real sudo, journal and OpenSSH, and a rollout with no more than it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from booted_hosts import BootedHost, gpudeck


@pytest.fixture
def host(only_host: BootedHost) -> Iterator[BootedHost]:
    """The host, its sudo rule given back behind the test."""
    yield only_host
    allow(only_host, "ops ALL=(root) NOPASSWD: ALL\n")
    only_host.sh("gpasswd --delete ops systemd-journal || :")
    only_host.reset()


def allow(host: BootedHost, rules: str) -> None:
    """What the user ops may do as root; the host's own visudo must accept it."""
    host.put("/run/rules", rules)
    host.sh("chmod 440 /run/rules && visudo -cqf /run/rules && mv -f /run/rules /etc/sudoers.d/ops")


def doctor(fleet: Path, host: BootedHost) -> dict[str, Any]:
    """Its checks of the host, by subject."""
    document = json.loads(gpudeck(fleet, "doctor", str(fleet), "--json").stdout)
    return {check["subject"]: check for check in document["checks"] if check["area"] == host.name}


def test_a_host_that_is_set_up_well_has_nothing_wrong(host: BootedHost, fleet: Path) -> None:
    checks = doctor(fleet, host)
    assert {subject: check["message"] for subject, check in checks.items() if check["grade"] == "fail"} == {}
    assert checks["sudo"]["grade"] == checks["clock"]["grade"] == checks["steps"]["grade"] == "ok"
    assert checks["journal"]["message"] == "Only root may read it, which sudo allows."


def test_a_host_that_kills_what_a_user_leaves_running_is_found_and_its_way_out_is_one(
    host: BootedHost, fleet: Path
) -> None:
    drop_in = "/etc/systemd/logind.conf.d/test.conf"
    write = f"mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nKillUserProcesses=yes\\n%s\\n' '{{}}' >{drop_in}"
    host.sh(f"{write.format('')}; systemctl restart systemd-logind")
    check = doctor(fleet, host)["steps"]
    host.sh(f"{write.format('KillExcludeUsers=root ops')}; systemctl restart systemd-logind")
    after = doctor(fleet, host)["steps"]
    host.sh(f"rm {drop_in}; systemctl restart systemd-logind")
    assert (check["grade"], after["grade"]) == ("fail", "ok")
    assert check["way_out"] == "Write KillExcludeUsers=root ops into /etc/systemd/logind.conf."


@pytest.mark.parametrize("rules", ["", "ops ALL=(root) ALL\n", "ops ALL=(root) NOPASSWD: /usr/bin/true\n"])
def test_sudo_that_allows_nothing_or_asks_for_a_password_fails(host: BootedHost, fleet: Path, rules: str) -> None:
    allow(host, rules)
    check = doctor(fleet, host)["sudo"]
    assert check["grade"] == "fail"
    assert f"gpudeck doctor --sudoers {host.name}" in check["way_out"]


def test_the_lines_it_prints_are_enough_to_move_a_model_and_give_it_back(host: BootedHost, fleet: Path) -> None:
    allow(host, gpudeck(fleet, "doctor", str(fleet), "--sudoers", host.name).stdout)
    host.sh("usermod --append --groups systemd-journal ops")
    checks = doctor(fleet, host)
    assert checks["sudo"]["grade"] == "ok"
    assert checks["journal"]["message"] == "The user we log in as may read it."
    moved = gpudeck(fleet, "apply", str(fleet), "--move", f"a={host.name}/2", "--yes")
    assert moved.returncode == 0, moved.stderr
    back = gpudeck(fleet, "apply", str(fleet), "--move", f"a={host.name}/0", "--yes")
    assert back.returncode == 0, back.stderr
    assert host.sh("ls -d /etc/systemd/system/vllm-a.service.d/*.conf 2>/dev/null || echo none") == "none"


def test_the_lines_it_prints_allow_nothing_beside(host: BootedHost, fleet: Path) -> None:
    allow(host, gpudeck(fleet, "doctor", str(fleet), "--sudoers", host.name).stdout)
    token = "0" * 16
    for words in (
        "systemctl stop ssh.service",
        "tee /etc/systemd/system/ssh.service.d/50-gpudeck.conf.new",
        "tee /etc/passwd",
        f"tee /run/gpudeck-rollout.{token}/holder /etc/passwd",
        f"rm -rf /run/gpudeck-rollout.{token}/../../etc",
        "journalctl -n 1",
    ):
        asked = f"su ops -c 'sudo -n -l -- {words}' >/dev/null 2>&1 && echo allowed || echo refused"
        assert host.sh(asked) == "refused", words


def test_a_helper_in_place_of_sudo_moves_a_model_whose_unit_has_a_user_and_refuses_one_that_is_root(
    host: BootedHost, fleet: Path
) -> None:
    fleet.write_text(fleet.read_text().replace("gpus: 4}", "gpus: 4, become: helper}"))
    assert "--root-helper" in doctor(fleet, host)["sudo"]["way_out"]
    host.put("/usr/local/sbin/gpudeck-root", gpudeck(fleet, "doctor", str(fleet), "--root-helper", host.name).stdout)
    host.sh("chmod 755 /usr/local/sbin/gpudeck-root; chmod -R a+rwX /srv/gpus/sys")
    allow(host, gpudeck(fleet, "doctor", str(fleet), "--sudoers", host.name).stdout)
    assert doctor(fleet, host)["sudo"]["grade"] == "ok"
    refused = gpudeck(fleet, "apply", str(fleet), "--move", f"a={host.name}/2", "--yes")
    assert refused.returncode == 1
    assert "vllm-a.service runs as root" in refused.stderr + refused.stdout
    host.put("/etc/systemd/system/vllm-a.service.d/10-user.conf", "[Service]\nUser=ops\n")
    host.sh("systemctl daemon-reload; systemctl restart vllm-a")
    moved = gpudeck(fleet, "apply", str(fleet), "--move", f"a={host.name}/2", "--yes")
    assert moved.returncode == 0, moved.stderr
    assert "GPU-" in host.sh("cat /etc/systemd/system/vllm-a.service.d/50-gpudeck.conf")


def test_where_sudo_allows_nothing_a_change_is_refused_before_anything_stops(host: BootedHost, fleet: Path) -> None:
    main_pid = host.sh("systemctl show -p MainPID vllm-a")
    allow(host, "")
    refused = gpudeck(fleet, "apply", str(fleet), "--move", f"a={host.name}/2", "--yes")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "password" in refused.stderr
    assert host.sh("systemctl show -p MainPID vllm-a") == main_pid
    assert host.sh("ls -d /etc/systemd/system/vllm-a.service.d/*.conf 2>/dev/null || echo none") == "none"
