"""`gpudeck demo` as a newcomer meets it: one command, keys, a model moved over real SSH, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from terminal import Terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR", "SSH_CONNECTION")}
    (tmp_path / "tmp").mkdir()
    return {
        **kept,
        "TERM": "xterm-256color",
        "TMPDIR": str(tmp_path / "tmp"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def demo(environment: Mapping[str, str]) -> Iterator[Terminal]:
    with Terminal([sys.executable, "-m", "console.cli", "demo"], columns=160, rows=48, environment=environment) as t:
        t.until("11 serving")
        yield t


def simulators(environment: Mapping[str, str]) -> list[str]:
    """Processes of simulated hosts that keep their files in this test's folder."""
    listed = subprocess.run(["ps", "axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if environment["TMPDIR"] in line]


def test_the_empty_deck_names_the_fleet_and_fills_itself(demo: Terminal) -> None:
    text = demo.text
    assert all(f"{n}  MI300X" in text for n in range(8))
    assert "kb-whisper-large" in text


def test_a_model_is_moved_and_serves_there_and_nothing_is_left_behind(
    demo: Terminal, environment: Mapping[str, str]
) -> None:
    demo.press("\x1b[B")
    demo.press("m8")
    demo.until("carrying kb-whisper-large: ✓ fits")
    demo.press("\r")
    demo.until("draft: 1 change")
    demo.press("p")
    demo.until("systemctl start whisper.service")
    demo.press("a")
    demo.until("Every step is done.", timeout=90)
    demo.press("\x1b")
    text = demo.until("disabled")
    pane = "\n".join(line[120:] for line in text.splitlines()[22:])
    assert "kb-whisper-large" in pane
    demo.press("q")
    assert demo.wait() == 0
    assert not simulators(environment)
    assert not list(Path(environment["TMPDIR"]).glob("gpudeck-*/demo-*"))


def test_a_log_and_the_links_of_a_gpu_are_read_over_ssh(demo: Terminal) -> None:
    demo.press("l")
    demo.until("◂ weights in memory: 15.3 GiB")
    assert "following" in demo.until("◂ it serves from here on")
    demo.until("esc back")
    demo.press("\x1b")
    demo.until("m move")
    demo.press("z")
    demo.until("1, 2, 3, 4, 5, 6, 7: xGMI, 1 hop, 50 GB/s each way")
    demo.press("C")
    demo.until("in brackets what the engine takes")
    demo.press("\x1b\x1b")


def test_a_killed_console_leaves_no_process_and_at_most_one_folder(
    demo: Terminal, environment: Mapping[str, str]
) -> None:
    assert simulators(environment)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait()
    with Terminal(
        [sys.executable, "-m", "console.cli", "demo", "--wall"], columns=120, rows=36, environment=environment
    ) as next_demo:
        next_demo.until("READ ONLY")
        next_demo.until("live")
        assert len(list(Path(environment["TMPDIR"]).glob("gpudeck-*/demo-*"))) == 1
        next_demo.press("q")
        assert next_demo.wait() == 0
    assert not simulators(environment)


def test_without_a_terminal_the_demo_says_what_else_there_is(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "console.cli", "demo"],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert "gpudeck status" in done.stderr
