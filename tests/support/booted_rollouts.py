"""Rollouts on a booted host by the command line, and what is seen of them there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from booted_hosts import BootedHost, gpudeck

from fleet.units import GiB

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
CHANGE = ("--set", "a.gpu-memory-utilization=0.3")
"""Steps of it: 1 stop, 2 write, 3 start, 4 wait, all of model a."""
SERVING = {"a": ("serving", 76), "b": ("serving", 76), "c": ("serving", 115)}
"""Of each model its state and the whole GiB it holds, where nothing was changed."""
CHANGED = {**SERVING, "a": ("serving", 57)}
STEPS = "/home/ops/.gpudeck-steps"
BEGUN: list[subprocess.Popen[str]] = []
"""Processes that a test may leave behind when it fails."""


def apply(fleet: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """An apply, gone through with."""
    return gpudeck(fleet, "apply", str(fleet), *words, "--yes")


def begin(fleet: Path, *words: str) -> subprocess.Popen[str]:
    """An apply that goes on meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "apply", str(fleet), *words, "--yes"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(fleet.parent / "state")},
    )
    BEGUN.append(process)
    return process


def begun(fleet: Path, until: str, *words: str) -> subprocess.Popen[str]:
    """An apply that has begun that step; the plan it shows first tells times as well."""
    process = begin(fleet, *words)
    assert process.stderr
    for line in process.stderr:
        if until in line and "~" not in line:
            return process
    raise AssertionError(f"it ended with status {process.wait()} and never began {until!r}")


def end(process: subprocess.Popen[str]) -> None:
    """Kill it."""
    process.kill()
    process.wait(PATIENCE)


def status(fleet: Path) -> Any:
    """What ``gpudeck status`` tells."""
    return json.loads(gpudeck(fleet, "status", str(fleet), "--json").stdout)


def models(fleet: Path) -> dict[str, tuple[str, int]]:
    """Of each model its state and the whole GiB it holds."""
    return {model["name"]: (model["state"], model["used_bytes"] // GiB) for model in status(fleet)["models"]}


def overlay_of(host: BootedHost, model: str) -> str:
    """Our drop-in of it; empty where there is none."""
    return host.sh(f"cat /etc/systemd/system/vllm-{model}.service.d/50-gpudeck.conf 2>/dev/null || true")


def midway(host: BootedHost, number: int) -> None:
    """Wait until the host is at the step of that number."""
    host.sh(f"until ls {STEPS}/*-{number}; do sleep 0.05; done")


def finished(host: BootedHost, number: int) -> str:
    """Wait until the host has finished that step: the number of its last command, and the status of that."""
    return host.sh(f"until ls {STEPS}/*-{number}.*; do sleep 0.05; done").rpartition("/")[2].partition(".")[2]


class Held:
    """Commands of the host, for whoever becomes root, that do not go on until they are let go."""

    _WAIT = """\
#!/bin/sh
while held=$(cat /srv/held 2>/dev/null); do
    case "$*" in *"$held"*) sleep 0.02 ;; *) break ;; esac
done
exec /usr/bin/$(basename "$0") "$@"
"""

    def __init__(self, host: BootedHost) -> None:
        """Stands before systemctl and tee there."""
        self._host = host
        host.put("/usr/local/bin/systemctl", self._WAIT)
        host.sh("cd /usr/local/bin && chmod +x systemctl && cp systemctl tee")

    def hold(self, words: str) -> None:
        """Those whose line holds these words."""
        self._host.put("/srv/held", words)

    def go(self) -> None:
        """All of them."""
        self._host.sh("rm -f /srv/held")

    def remove(self) -> None:
        """Nothing stands before them any more."""
        self._host.sh("rm -f /srv/held /usr/local/bin/systemctl /usr/local/bin/tee")
