"""Consoles that end, or meet another, in the middle of a step; it ends on its host as a whole all the same."""

from __future__ import annotations

import json
import signal
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
    begin,
    begun,
    end,
    finished,
    midway,
    models,
    overlay_of,
)

NEWEST_QUESTION = "-n -f '^flock -s -w 20 9'"
"""How a console waits on the host for the end of a step, as pgrep finds it."""


@pytest.mark.parametrize(
    ("step", "number", "words", "ends"), [("1 stop", 1, "stop vllm-a", "1.0"), ("2 write", 2, "50-gpudeck", "4.0")]
)
def test_a_step_whose_console_is_killed_ends_on_its_host_as_a_whole_and_is_gone_on_from(
    host: BootedHost, fleet: Path, held: Held, step: str, number: int, words: str, ends: str
) -> None:
    held.hold(words)
    process = begun(fleet, step, *CHANGE)
    midway(host, number)
    end(process)
    held.go()
    assert finished(host, number) == ends
    assert host.sh("systemctl is-active vllm-a || true") == "inactive"
    assert ("0.3" in overlay_of(host, "a")) == (number > 1)
    done = gpudeck(fleet, "apply", str(fleet), "--resume")
    assert done.returncode == 0, done.stderr
    assert f"{host.name} has finished {step[2:]} a by itself." in done.stderr
    assert (step in done.stderr) == (number == 1)
    assert models(fleet) == CHANGED
    assert host.sh(f"ls -d {STEPS} /run/gpudeck* || true") == ""


def test_whoever_comes_back_too_early_waits_for_the_step_under_way(host: BootedHost, fleet: Path, held: Held) -> None:
    held.hold("stop vllm-a")
    process = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    end(process)
    asking = host.sh(f"pgrep {NEWEST_QUESTION} || true")
    back = begin(fleet, "--rollback")
    host.sh(f"until asks=$(pgrep {NEWEST_QUESTION}) && [ $asks != '{asking}' ]; do sleep 0.02; done")
    held.go()
    _, told = back.communicate(timeout=PATIENCE)
    assert back.returncode == 0, told
    assert f"{host.name} has finished stop a by itself." in told
    assert (models(fleet), overlay_of(host, "a")) == (SERVING, "")


def test_an_interrupted_console_says_that_its_host_finishes_the_step(host: BootedHost, fleet: Path, held: Held) -> None:
    held.hold("50-gpudeck")
    process = begun(fleet, "2 write", *CHANGE)
    midway(host, 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert process.stderr
    assert f"Interrupted; {host.name} finishes write a, the step under way, if begun." in process.stderr.read()
    held.go()
    assert finished(host, 2) == "4.0"
    assert gpudeck(fleet, "apply", str(fleet), "--accept").returncode == 0
    assert host.sh("systemctl is-active vllm-a || true; ls /run/gpudeck* || true") == "inactive"


def test_of_two_consoles_one_proceeds_and_nobody_takes_over_in_the_middle_of_a_step(
    host: BootedHost, fleet: Path, tmp_path: Path, held: Held
) -> None:
    held.hold("stop vllm-a")
    first = begun(fleet, "1 stop", *CHANGE)
    midway(host, 1)
    assert f"{host.name} is being changed by " in gpudeck(fleet, "status", str(fleet)).stdout
    who = json.loads(host.sh("cat /run/gpudeck-rollout/holder"))["who"]
    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    other = host.fleet(elsewhere / "fleet.yaml")
    refused = apply(other, "--set", "b.gpu-memory-utilization=0.3", "--take-over", who)
    assert refused.returncode == 1
    assert f"Nothing was done: {host.name} is being changed by {who}" in refused.stderr
    assert "in the middle of step 1 of 4 (stop a), last heard of " in refused.stderr
    assert "Wait until it has ended." in refused.stderr
    held.go()
    assert first.wait(PATIENCE) == 0
    assert models(fleet) == CHANGED
    assert host.sh("ls -d /run/gpudeck* || true") == ""


def test_an_operator_whose_files_nobody_else_may_read_changes_hosts_all_the_same(host: BootedHost, fleet: Path) -> None:
    host.sh("sed -i '1i umask 077' /home/ops/.bashrc")
    done = apply(fleet, *CHANGE)
    host.sh("sed -i 1d /home/ops/.bashrc")
    assert done.returncode == 0, done.stderr
    assert models(fleet) == CHANGED
    assert host.sh("ls -d /run/gpudeck* || true") == ""
