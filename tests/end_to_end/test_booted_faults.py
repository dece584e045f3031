"""Lines that are cut, hosts that come up anew and consoles that are killed in the middle of a rollout."""

from __future__ import annotations

from pathlib import Path

import pytest
from booted_hosts import BootedHost, gpudeck
from booted_rollouts import (
    CHANGE,
    CHANGED,
    PATIENCE,
    SERVING,
    STEPS,
    Held,
    apply,
    begun,
    end,
    midway,
    models,
    overlay_of,
)


def test_a_line_cut_in_the_middle_of_a_step_is_waited_for(host: BootedHost, fleet: Path, held: Held) -> None:
    held.hold("start vllm-a")
    process = begun(fleet, "3 start", *CHANGE)
    midway(host, 3)
    host.link("down")
    assert process.stderr
    assert any("what was begun there goes on" in line for line in process.stderr)
    host.link("up")
    held.go()
    assert process.wait(PATIENCE) == 0
    assert models(fleet) == CHANGED
    assert host.sh(f"ls {STEPS} 2>/dev/null || true") == ""


def test_a_line_cut_while_a_model_loads_is_waited_for(host: BootedHost, fleet: Path) -> None:
    process = begun(fleet, "4 wait", *CHANGE)
    host.link("down")
    host.link("up")
    assert process.wait(PATIENCE) == 0
    assert models(fleet)["a"] == CHANGED["a"]


@pytest.mark.parametrize("step", ["2 write", "4 wait"])
def test_a_killed_console_is_rolled_back(host: BootedHost, fleet: Path, step: str) -> None:
    end(begun(fleet, step, *CHANGE))
    done = gpudeck(fleet, "apply", str(fleet), "--rollback")
    assert done.returncode == 0, done.stderr
    assert models(fleet) == SERVING
    assert overlay_of(host, "a") == ""


def test_a_sudo_taken_away_midway_leaves_a_rollout_that_is_taken_back_once_it_is_given_again(
    host: BootedHost, fleet: Path, held: Held
) -> None:
    held.hold("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    host.sh("mv /etc/sudoers.d/ops /srv/ops")
    held.go()
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "sudo: a password is required" in told
    assert "`gpudeck apply --rollback` goes back" in told
    host.sh("mv /srv/ops /etc/sudoers.d/ops")
    done = gpudeck(fleet, "apply", str(fleet), "--rollback")
    assert done.returncode == 0, done.stderr
    assert (models(fleet), overlay_of(host, "a")) == (SERVING, "")


def test_a_reboot_in_the_middle_of_a_stop_leaves_the_model_as_it_was(host: BootedHost, fleet: Path, held: Held) -> None:
    held.hold("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    host.reboot()
    _, told = process.communicate(timeout=PATIENCE)
    held.go()
    assert process.returncode == 1
    assert f"on {host.name} was cut off: it was killed there, or the host came up anew." in told
    assert "It is back as it was before." in told
    host.sh("until curl -sf 127.0.0.1:8001/health; do sleep 0.05; done")
    assert models(fleet)["a"] == SERVING["a"]
    assert apply(fleet, *CHANGE).returncode == 0
