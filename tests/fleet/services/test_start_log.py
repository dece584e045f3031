"""The two commands that read a start: bounded, and made of nothing a host or a file could slip a word into."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fleet.commands import Answer
from fleet.services.start_log import (
    LOG_BYTES,
    command_line,
    parse_command_line,
    parse_plan,
    plan_file,
    start_log,
)
from fleet.services.systemd import Systemd

RUN = "0123456789abcdef" * 2


def run(line: str, bin_: Path | None = None, **environment: str) -> Answer:
    path = f"{bin_}:{os.environ['PATH']}" if bin_ else os.environ["PATH"]
    done = subprocess.run(
        ["sh", "-c", line], env={"PATH": path, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("user", [False, True])
def test_the_log_of_one_run_is_asked_for_by_its_id(tmp_path: Path, user: bool) -> None:
    program(tmp_path, "journalctl", 'printf "%s\\n" "$@"')
    command = start_log(Systemd("vllm.service", user=user), RUN)
    assert command is not None
    assert run(command.line, tmp_path).stdout.splitlines() == [
        *(["--user"] if user else []),
        "--quiet", "--all", "--no-pager", "-o", "short-monotonic", f"_SYSTEMD_INVOCATION_ID={RUN}",
    ]  # fmt: skip


def test_as_root_only_the_journal_is_read(tmp_path: Path) -> None:
    program(tmp_path, "sudo", 'printf "%s\\n" "$@"')
    command = start_log(Systemd("vllm.service"), RUN, "sudo")
    assert command is not None
    assert run(command.line, tmp_path).stdout.splitlines()[:4] == ["-n", "--", "journalctl", "--quiet"]


def test_a_log_without_end_is_cut_off(tmp_path: Path) -> None:
    program(tmp_path, "journalctl", "while echo flood; do :; done")
    command = start_log(Systemd("vllm.service"), RUN)
    assert command is not None
    assert len(run(command.line, tmp_path).stdout) == LOG_BYTES


@pytest.mark.parametrize("run_id", ["", "0" * 31, "$(id)" + "0" * 27, "G" * 32])
def test_what_is_no_id_of_a_run_is_not_asked_for(run_id: str) -> None:
    assert start_log(Systemd("vllm.service"), run_id) is None


def test_a_command_line_is_read_word_by_word(tmp_path: Path) -> None:
    folder = tmp_path / "proc" / "42"
    folder.mkdir(parents=True)
    words = ("vllm", "serve", "a model", "--name", "", 'q"$(id)')
    (folder / "cmdline").write_text("".join(f"{word}\0" for word in words))
    assert parse_command_line(run(command_line(42).line, PROBE_ROOT=str(tmp_path))) == words


def test_a_process_that_is_gone_has_no_words(tmp_path: Path) -> None:
    assert parse_command_line(run(command_line(43).line, PROBE_ROOT=str(tmp_path))) == ()


PLAN = "/root/.cache/vllm/startup_plan/startup_plan_00112233445566ff.json"


def test_a_start_up_plan_tells_the_next_cache(tmp_path: Path) -> None:
    path = tmp_path / PLAN.rpartition("/")[2]
    path.write_text(
        '{"schema": 1, "fingerprint": "x", "kv_cache_memory_bytes": 53687091200, "free_memory_baseline": 1}'
    )
    command = plan_file(str(path))
    assert command is not None
    assert parse_plan(run(command.line)) == 50 << 30


@pytest.mark.parametrize(
    "path", ["/etc/shadow", f"{PLAN}x", PLAN.replace("/root", "/root/../etc"), PLAN[1:], f"$(id){PLAN}"]
)
def test_no_other_file_is_read_for_a_plan(path: str) -> None:
    assert plan_file(path) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 2, "kv_cache_memory_bytes": 5}', '{"schema": 1, "kv_cache_memory_bytes": -5}',
             '{"schema": 1, "kv_cache_memory_bytes": true}', '{"schema": 1}'],
)  # fmt: skip
def test_what_is_no_plan_tells_nothing(text: str) -> None:
    assert parse_plan(Answer(0, text, "")) is None
