"""What is said of a terminal: by its environment, and by what it answers."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from console.doctor import Grade
from console.doctor.asking import GLYPHS, answer_checks, read_answers
from console.doctor.terminal import Surroundings, terminal_checks

ROOT = Path(__file__).parents[3]


def grades(
    *, is_terminal: bool = True, size: tuple[int, int] = (160, 48), encoding: str = "utf-8", **environment: str
) -> dict[str, Grade]:
    around = Surroundings({"TERM": "xterm-256color", **environment}, is_terminal, size, encoding)
    return {check.subject: check.grade for check in terminal_checks(around)}


def said(subject: str, **environment: str) -> str:
    around = Surroundings({"TERM": "xterm-256color", **environment}, True, (160, 48), "utf-8")
    return next(f"{c.message} {c.way_out}" for c in terminal_checks(around) if c.subject == subject)


def test_a_usual_terminal_is_fine_in_every_way() -> None:
    assert set(grades(COLORTERM="truecolor").values()) == {Grade.OK}


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_without_a_cursor_fails(term: str) -> None:
    assert grades(TERM=term)["screen"] is Grade.FAIL


def test_a_pipe_is_told_of_status_and_has_no_size() -> None:
    found = grades(is_terminal=False)
    assert found["screen"] is Grade.WARN
    assert "size" not in found


@pytest.mark.parametrize("size", [(59, 20), (60, 19)])
def test_a_terminal_too_small_for_the_deck_fails(size: tuple[int, int]) -> None:
    assert grades(size=size)["size"] is Grade.FAIL


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "", "no-such"])
def test_an_encoding_without_glyphs_fails(encoding: str) -> None:
    assert grades(encoding=encoding)["encoding"] is Grade.FAIL


def test_a_terminal_without_signs_for_bars_is_told_of_ascii() -> None:
    assert "drawn in ASCII" in said("encoding", TERM="linux")


def test_colours_missing_over_ssh_are_told_to_be_passed_on() -> None:
    assert "SendEnv COLORTERM" in said("colours", SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    assert "NO_COLOR" in said("colours", NO_COLOR="1", COLORTERM="truecolor")


def test_each_multiplexer_is_told_by_name() -> None:
    assert "tmux" in said("multiplexer", TMUX="/tmp/tmux-0/default,1,0")
    assert "GNU screen" in said("multiplexer", STY="1.pts")
    assert "multiplexer" not in grades()


def test_a_terminal_that_answers_all_is_read() -> None:
    answers = read_answers(f"\x1b[1;{len(GLYPHS) + 1}R\x1b[?2026;2$y\x1b[?0u\x1b[?62;22c")
    assert (answers.glyph_columns, answers.synchronised, answers.key_protocol) == (len(GLYPHS), True, True)
    assert {check.grade for check in answer_checks(answers)} == {Grade.OK}


def test_a_terminal_that_draws_glyphs_wide_fails() -> None:
    answers = read_answers(f"\x1b[1;{2 * len(GLYPHS) + 1}R\x1b[?2026;0$y\x1b[?1;2c")
    assert (answers.synchronised, answers.key_protocol) == (False, False)
    assert next(iter(answer_checks(answers))).grade is Grade.FAIL


def test_a_terminal_that_says_nothing_is_no_failure() -> None:
    assert [check.grade for check in answer_checks(None)] == [Grade.WARN]


ASK = (
    "from console.doctor.asking import ask_terminal, GLYPHS; found = ask_terminal(); "
    "print('same' if found.glyph_columns == len(GLYPHS) else found, found.synchronised, found.key_protocol)"
)


def test_a_real_terminal_is_asked_and_left_as_it_was() -> None:
    master, terminal = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ASK], stdin=terminal, stdout=terminal, cwd=ROOT) as process:
        os.close(terminal)
        heard = b""
        while b"\x1b[c" not in heard:
            heard += os.read(master, 4096)
        os.write(master, f"\x1b[1;{len(GLYPHS) + 1}R\x1b[?2026;2$y\x1b[?62;22c".encode())
        while b"False" not in heard:
            heard += os.read(master, 4096)
        assert process.wait(10) == 0
    os.close(master)
    assert b"same True False" in heard
    assert GLYPHS.encode() in heard
