"""The console without a screen, against the simulated host: in lines, and where there is no terminal at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import GPUDECK, ROOT, gpudeck
from terminal import Terminal

from fleet.simulator.child import Demo


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {name: str(tmp_path / name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    return {**os.environ, **own, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}


def test_a_model_is_moved_by_typing_and_what_happens_is_told(demo: Demo, environment: dict[str, str]) -> None:
    typed = "move kb-whisper-large=gpu01/7\napply\nno\ndraft\napply\nyes\nquit\n"
    done = gpudeck(str(demo.fleet_file), "--plain", typed=typed, **environment)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    wanted = [
        "kb-whisper-large is serving on gpu01/0.",
        "Staged: Move kb-whisper-large to gpu01/7.",
        "Carry this out? yes or no:",
        "Not confirmed; nothing was done.",
        "Move kb-whisper-large to gpu01/7.",
        "Carry this out? yes or no:",
    ]
    assert [line for line in said if line in wanted] == wanted
    assert any(line.startswith("The rollout is done.") for line in said)
    assert "place: gpu01/7" in demo.fleet_file.read_text(encoding="utf-8")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_fix_is_staged_by_the_code_of_its_finding(demo: Demo, environment: dict[str, str]) -> None:
    typed = "fix\nfix MEM999\nfix mem002 9\nfix MEM002\nundo\nfix MEM002 gpu01/1 3\ndraft\nclear\nquit\n"
    said = gpudeck(str(demo.fleet_file), "--plain", typed=typed, **environment).stdout
    assert "There is no finding 'MEM999'." in said
    assert "MEM002 of gpu01/1 has 3 computed fixes." in said
    assert "Staged: Set gpu-memory-utilization of devstral-small to 0.48." in said
    assert said.count("Move devstral-small to gpu01/3.") == 2


def test_what_was_rolled_out_is_told_step_by_step(demo: Demo, environment: dict[str, str]) -> None:
    typed = "rollouts\nmove kb-whisper-large=gpu01/6\napply\nyes\nrollouts\nrollouts 1\nrollouts 2\nreload\nquit\n"
    done = gpudeck(str(demo.fleet_file), "--plain", typed=typed, **environment)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("The rollout is done.")
    assert "No rollout is in this machine's journal." in before
    said = after.splitlines()
    (listed,) = [line for line in said if line.startswith("1. ")]
    assert listed.endswith(": done. Move kb-whisper-large to gpu01/6.")
    (told,) = [number for number, line in enumerate(said) if line.startswith("Rollout of ")]
    assert said[told + 1] == "Move kb-whisper-large to gpu01/6."
    assert any(" start kb-whisper-large on gpu01/6" in line and ": done" in line for line in said[told:])
    assert "They are numbered 1 to 1, newest first." in after
    assert "fleet.yaml says nothing new." in said
    assert "fleet.yaml was changed" not in after


def test_what_makes_no_sense_is_answered_and_the_session_goes_on(demo: Demo, environment: dict[str, str]) -> None:
    typed = "dance\nmove nobody=gpu01/7\nmove\nplan\nundo\nfindings\nhelp\nstatus\n"
    done = gpudeck(str(demo.fleet_file), "--plain", typed=typed, **environment)
    assert done.returncode == 0
    for words in (
        "There is no command 'dance'.",
        "There is no model 'nobody'",
        "move what?",
        "The draft is empty.",
        "There is nothing to undo.",
        "quit: leave; nothing on the hosts changes.",
    ):
        assert words in done.stdout
    assert "Traceback" not in done.stderr


def test_on_a_terminal_quitting_ends_it_at_once(demo: Demo, environment: dict[str, str]) -> None:
    argv = [*GPUDECK, str(demo.fleet_file), "--plain"]
    with Terminal(argv, columns=100, rows=60, environment=environment) as terminal:
        terminal.until("help lists them")
        terminal.press("quit\n")
        assert terminal.wait() == 0


@pytest.mark.parametrize("how", ["pipe", "dumb"])
def test_where_nothing_can_be_drawn_the_status_is_printed(demo: Demo, environment: dict[str, str], how: str) -> None:
    if how == "pipe":
        done = gpudeck(str(demo.fleet_file), **environment)
        assert done.returncode == 0
        assert "kb-whisper-large" in done.stdout
        return
    argv = [*GPUDECK, str(demo.fleet_file)]
    with Terminal(argv, columns=160, rows=60, environment={**environment, "TERM": "dumb"}) as terminal:
        terminal.until("kb-whisper-large")
        assert terminal.wait() == 0
