"""A viewer's console on the simulated host, over real SSH: whatever is pressed, the host's own record has no change."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from command_line import GPUDECK, ROOT, gpudeck
from terminal import Terminal
from views import SCREENS

from fleet.simulator.child import Demo

CHANGING = frozenset(
    ["tee", "mkdir", "rm", "rmdir", "mv", "cp", "ln", "touch", "install", "dd", "kill", "chmod", "chown", "logger"]
)
"""Programs that change what they are run on."""
LOOKING = frozenset({"show", "cat", "status", "is-active", "list-units", "list-unit-files", "--version"})
"""Commands of systemctl that do not."""
PATIENCE = 600
RECORDING = """#!/bin/sh
line=$(printf '%s ' {name} "$@" | tr '\\n' ' ')
printf '%s\\n' "$line" >>{record}
{runs}
"""


class Host:
    """The simulated host's files, and a record of every command that a session on it ran by name."""

    def __init__(self, demo: Demo) -> None:
        self._folder = demo.directory / "hosts" / "gpu01"
        self._record = demo.directory / "record"
        self._record.touch()
        commands = self._folder / "bin"
        runs = {path.name: path.read_text(encoding="utf-8").splitlines()[-1] for path in commands.iterdir()}
        runs |= {name: f'exec {shutil.which(name)} "$@"' for name in CHANGING - runs.keys() if shutil.which(name)}
        for name, own in runs.items():
            file = commands / name
            file.write_text(RECORDING.format(name=name, record=shlex.quote(str(self._record)), runs=own))
            file.chmod(0o755)

    def files(self) -> dict[str, tuple[bytes, int]]:
        """What stands in its homes and its configuration: each file's bytes, and when it was written."""
        found = (path for part in ("home", "root/etc") for path in (self._folder / part).rglob("*") if path.is_file())
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}

    def commands(self) -> list[list[str]]:
        """The words of every command, without the sudo before them."""
        lines = (line.split() for line in self._record.read_text(encoding="utf-8").splitlines())
        return [words[words.index("--") + 1 :] if words[0] == "sudo" and "--" in words else words for words in lines]

    def changes(self) -> list[list[str]]:
        """Those that may change something."""
        return [words for words in self.commands() if words[0] in CHANGING or not _looks(words)]


def _looks(words: list[str]) -> bool:
    verbs = [word for word in words[1:] if not word.startswith("-") or word == "--version"]
    return words[0] != "systemctl" or verbs[0] in LOOKING


@pytest.fixture(scope="module")
def host(demo: Demo) -> Host:
    return Host(demo)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR", "SSH_CONNECTION")}
    own = {name: str(tmp_path / name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    search = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    return {**kept, **own, "TERM": "xterm-256color", "PYTHONPATH": search}


def kept_in(environment: Mapping[str, str]) -> set[str]:
    """The kinds of files in the viewer's state folder."""
    folder = Path(environment["XDG_STATE_HOME"])
    return {path.name.rpartition(".")[2].partition("-")[0] for path in folder.rglob("*") if path.is_file()}


def test_every_key_on_every_screen_leaves_the_host_as_it_was(
    demo: Demo, host: Host, environment: dict[str, str]
) -> None:
    files, fleet = host.files(), demo.fleet_file.read_bytes()
    words = [sys.executable, "-m", "every_key_live", str(demo.fleet_file), json.dumps(SCREENS)]
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "systemctl" in {words[0] for words in host.commands()}, "it was read, with services"
    assert not host.changes()
    assert host.files() == files
    assert demo.fleet_file.read_bytes() == fleet
    assert kept_in(environment) <= {"history", "hints"}
    held = set(json.loads(done.stdout))
    assert {"fleet.ssh.probe_only", "console.screens.plan", "fleet.planning.planner"} <= held
    assert not [name for name in held if name.startswith(("fleet.rollout", "fleet.ssh.operator"))]
    assert "console.operating" not in held


def test_in_lines_a_draft_is_planned_and_not_applied(demo: Demo, host: Host, environment: dict[str, str]) -> None:
    script = (
        "import sys; from console.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or sorted({'fleet.rollout', 'fleet.ssh.operator'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(demo.fleet_file), "--plain", "--read-only"],
        input="help\nmove kb-whisper-large=gpu01/7\nplan\napply\nquit\ny\n",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "This is read-only. Type a command" in done.stdout
    assert "apply:" not in done.stdout
    assert "systemctl start whisper.service" in done.stdout
    assert "This gpudeck is read-only: whatever takes an operator is not in it." in done.stdout
    assert not host.changes()


def test_the_demo_is_looked_at_in_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    own = {**environment, "TMPDIR": str(tmp_path / "tmp")}
    with Terminal([*GPUDECK, "demo", "--read-only"], columns=160, rows=48, environment=own) as viewer:
        viewer.until("read-only")
        viewer.until("11 serving")
        viewer.press("r")
        viewer.until("draft: 1 change")
        viewer.press("p")
        viewer.until("systemctl start")
        viewer.press("a")
        viewer.until("This gpudeck is read-only")
        viewer.press("\x1b")
        viewer.until("m move")
        viewer.press("q")
        viewer.until("is not kept where gpudeck is read-only")
        viewer.press("q")
        assert viewer.wait() == 0


def test_the_same_record_tells_of_an_operator(demo: Demo, host: Host, environment: dict[str, str]) -> None:
    done = gpudeck("restart", "kb-whisper-large", "--yes", "--fleet", str(demo.fleet_file), **environment)
    assert done.returncode == 0, done.stderr
    assert {words[0] for words in host.changes()} >= {"systemctl", "logger", "mkdir"}
