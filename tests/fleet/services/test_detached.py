"""Commands that a host runs by itself, on this machine's own sh."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from fleet.commands import Answer, Command, Write
from fleet.errors import GpudeckError
from fleet.services.detached import (
    FOLDER,
    LARGEST,
    Follow,
    Progress,
    State,
    follow,
    forget,
    launch,
    parse_progress,
)
from fleet.services.holder import Holder, folder, holder_text, parse_holder

ANNA = Holder("1a" * 8, "anna@desk", "it's $(a)", 0.0, 1, 4, 'stop "a"', True)
UMASK = 0o022


class Home:
    """A host's home folder, whose lock anna has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / folder("none")).mkdir()
        self.lock = path / folder("none") / "holder"
        self.lock.write_text(holder_text(ANNA))

    def run(self, command: Command, cut: int | None = None) -> Answer:
        """Run it; of its standard input, only so many bytes arrive."""
        done = subprocess.run(
            command.words,
            input=command.stdin[:cut],
            capture_output=True,
            cwd=self.path,
            timeout=60,
            check=False,
            umask=UMASK,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def outcome(self, id: str, seconds: int = 20) -> Progress | None:
        return parse_progress(self.run(follow(id, seconds)))

    def carried_out(self, *commands: Write, id: str = "step-1") -> Progress | None:
        begun = self.run(launch(id, commands, ANNA, "none"))
        assert begun == Answer(0, "", "")
        return self.outcome(id)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def sh(script: str, *words: str) -> Write:
    return Write(("sh", "-c", script, "sh", *words))


def test_commands_run_one_after_the_other_and_their_end_is_told(home: Home) -> None:
    assert home.outcome("step-1") == Progress(State.NEVER)
    assert home.carried_out(sh("echo a >>said"), sh("echo b >>said; echo done")) == Progress(
        State.ENDED, 2, 0, "done\n"
    )
    assert (home.path / "said").read_text() == "a\nb\n"


def test_the_first_that_fails_is_the_last_and_tells_why(home: Home) -> None:
    said = home.carried_out(sh("echo fine"), sh("echo no room >&2; exit 3"), sh("touch later"))
    assert said == Progress(State.ENDED, 2, 3, "no room\n")
    assert not (home.path / "later").exists()


def test_one_that_is_under_way_is_waited_for_by_everyone_who_asks(home: Home) -> None:
    os.mkfifo(home.path / "go")
    home.run(launch("step-1", [sh("read line <go; echo $line")], ANNA, "none"))
    assert home.outcome("step-1", seconds=0) == Progress(State.RUNNING)
    question = follow("step-1", 20)
    asking = [subprocess.Popen(question.words, cwd=home.path, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    (home.path / "go").write_text("went\n")
    answers = [process.communicate(timeout=60)[0] for process in asking]
    assert answers == ["ended 1.0\nwent\n"] * 3


def test_it_is_begun_once_however_often_it_is_asked_for(home: Home) -> None:
    step = launch("step-1", [sh("echo x >>times")], ANNA, "none")
    begun = [subprocess.Popen(step.words, stdin=subprocess.PIPE, cwd=home.path) for _ in range(8)]
    for process in begun:
        process.communicate(step.stdin, timeout=60)
    home.outcome("step-1")
    home.run(step)
    assert home.outcome("step-1") == Progress(State.ENDED, 1, 0, "")
    assert (home.path / "times").read_text() == "x\n"


@pytest.mark.parametrize("cut", [0, 1, 300, -1])
def test_one_that_arrived_in_part_is_not_begun(home: Home, cut: int) -> None:
    step = launch("step-1", [sh("touch begun")], ANNA, "none")
    assert not home.run(step, cut).ok
    assert home.outcome("step-1") == Progress(State.NEVER)
    assert not (home.path / "begun").exists()


def test_one_that_was_killed_is_told_from_one_that_ended(home: Home) -> None:
    os.mkfifo(home.path / "pids")
    home.run(launch("step-1", [sh("echo $PPID $$ >pids; exec sleep 1000")], ANNA, "none"))
    script, command = map(int, (home.path / "pids").read_text().split())
    os.kill(script, 9)
    assert home.outcome("step-1") == Progress(State.CUT_OFF)
    os.kill(command, 9)


def test_it_does_nothing_where_another_has_locked_the_host(home: Home) -> None:
    home.lock.write_text(holder_text(Holder("2b" * 8, "bob@desk", f'"token": "{ANNA.token}"', 0.0)))
    progress = home.carried_out(sh("touch done"))
    assert progress is not None and progress.lost_its_lock
    assert not (home.path / "done").exists()
    assert json.loads(home.lock.read_text())["who"] == "bob@desk"


def test_the_lock_says_from_its_beginning_that_it_is_at_work(home: Home) -> None:
    home.carried_out(sh("true"))
    said = parse_holder(home.lock.read_text())
    assert said is not None and said.uptime > 0
    assert asdict(said) | {"uptime": 0.0} == asdict(ANNA)


def test_what_is_written_reaches_its_file_as_it_is(home: Home) -> None:
    text = 'it\'s "$(touch bad)" `touch bad`\\n \x1b[2J ${a} \n%s\nå\n\nEOF\n# whole\n'
    home.carried_out(Write(("tee", "a 'b' $(c)"), text.encode()), sh('echo "$1" >words', "$(touch bad)\n'"))
    assert (home.path / "a 'b' $(c)").read_text() == text
    assert (home.path / "words").read_text() == "$(touch bad)\n'\n"
    assert not (home.path / "bad").exists()


def test_nobody_else_sees_what_it_runs_and_its_own_files_are_as_ever(home: Home) -> None:
    os.mkfifo(home.path / "go")
    secret = Write(("tee", "file"), b"a-word-of-mine")
    home.run(launch("step-1", [secret, sh("read line <go")], ANNA, "none"))
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    (home.path / "go").write_text("\n")
    home.outcome("step-1")
    assert "a-word-of-mine" not in shown
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.path / FOLDER).iterdir()} == {0o600}
    assert stat.S_IMODE((home.path / FOLDER).stat().st_mode) == 0o700
    assert stat.S_IMODE((home.path / "file").stat().st_mode) == 0o666 & ~UMASK


def test_a_program_that_it_leaves_running_does_not_keep_it(home: Home) -> None:
    home.carried_out(sh("sleep 1000 & echo $! >pid"))
    os.kill(int((home.path / "pid").read_text()), 9)


def test_what_is_forgotten_leaves_no_trace_and_no_other_is_touched(home: Home) -> None:
    home.carried_out(sh("true"), id="step-1")
    home.carried_out(sh("true"), id="step-12")
    home.run(forget(["step-1"]))
    assert [path.name for path in (home.path / FOLDER).iterdir()] == ["step-12.1.0"]
    (home.path / FOLDER / "new.step-12").touch()  # of a line cut in the moment it was begun
    home.run(forget(["step-12"]))
    assert not (home.path / FOLDER).exists()


def test_a_host_that_cannot_keep_them_says_so_before_it_does_anything(home: Home) -> None:
    (home.path / FOLDER).write_text("a file")
    refused = home.run(launch("step-1", [sh("touch done")], ANNA, "none"))
    assert not refused.ok and "File exists" in refused.stderr
    assert not (home.path / "done").exists()


def test_what_no_host_could_be_handed_is_refused_here() -> None:
    with pytest.raises(GpudeckError, match="a host takes 120000 at once"):
        launch("step-1", [Write(("tee", "a"), b"x" * LARGEST)], ANNA, "none")
    with pytest.raises(ValueError, match="not the id"):
        follow("../a", 1)


@pytest.mark.parametrize("printed", ["", "gone", "ended", "ended 1", "ended x.0\n", "ended 9999999999.0", "ended"])
def test_what_is_no_answer_is_none(printed: str) -> None:
    assert parse_progress(Answer(0, printed, "")) is None


def test_what_is_shown_of_it_are_its_commands() -> None:
    step = launch("step-1", [Write(("systemctl", "stop", "a")), Write(("tee", "b"), b"text")], ANNA, "sudo")
    assert step.shown_line == "systemctl stop a; tee b"
    assert isinstance(follow("step-1", 1), Follow)
