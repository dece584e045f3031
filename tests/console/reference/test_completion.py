"""Completion as the shells themselves do it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli import COMMANDS
from console.reference.commands import commands
from console.reference.completion import SHELLS

ROOT = Path(__file__).parents[3]
FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(tmp_path: Path) -> Complete:
    """What bash offers where a line of words ends."""
    gpudeck = tmp_path / "bin" / "gpudeck"
    gpudeck.parent.mkdir()
    gpudeck.write_text(f'#!/bin/sh\ncd {ROOT} && GPUDECK_FLEET={FLEET} exec {sys.executable} -m console.cli "$@"\n')
    gpudeck.chmod(0o755)
    script = tmp_path / "completion.bash"
    script.write_text(SHELLS["bash"](commands()))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "fleet.yaml").touch()

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        listed = " ".join(f"'{word}'" for word in words)
        code = f"PATH={gpudeck.parent}:$PATH; . {script}; COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _gpudeck"
        done = subprocess.run(
            ["bash", "--norc", "-c", f"{code}; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path / "here",
        )
        assert done.stderr == ""
        return done.stdout.split()

    return complete


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


@needs_bash
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gpudeck dem", ["demo"]),
        ("gpudeck fl", ["fleet.yaml"]),
        ("gpudeck status --fo", ["--format"]),
        ("gpudeck status --format p", ["prometheus"]),
        ("gpudeck status --fleet f", ["fleet.yaml"]),
        ("gpudeck status f", ["fleet.yaml"]),
        ("gpudeck logs llama-3.3", ["llama-3.3-70b"]),
        ("gpudeck plan --move devs", ["devstral-small"]),
        ("gpudeck audit --host ", ["gpu01"]),
        ("gpudeck explain KV", ["KV001", "KV002"]),
        ("gpudeck history --since ", []),
    ],
)
def test_bash_offers_what_may_stand_there(complete: Complete, line: str, offered: list[str]) -> None:
    assert complete(line) == offered


@needs_bash
def test_bash_offers_every_command(complete: Complete) -> None:
    assert set(complete("gpudeck ")) >= set(COMMANDS)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_can_read_its_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run([shell, "-n"], input=SHELLS[shell](commands()), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
