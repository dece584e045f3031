"""Files that are full, cut off, foreign, spoilt, older or newer: recording goes on or says why not."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.errors import GpudeckError
from fleet.history.file import _STEPS, open_file
from fleet.history.reading import history
from fleet.history.values import DAY, Event, EventKind, Frame, Kind, Sample, Subject
from fleet.history.writer import Writer, WriterThread

ROOT = Path(__file__).parents[3]
NOON = 1_800_000_000 // DAY * DAY
GPU = Subject(Kind.GPU, "gpu01/0")


def frame(at: int, used: int = 100) -> Frame:
    return Frame(at, (Sample(GPU, "gpu01 0000:0c:00.0", (used, 1, 2, 3, 4)),))


def recorded(path: Path, until: int = NOON + 1000) -> list[float]:
    """The peaks of every second of which there is one."""
    with history(path) as found:
        series = found.series(GPU, "used_bytes", NOON, until, until - NOON)
    return [bucket.peak for bucket in series if bucket]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "fleet.history"


@pytest.fixture
def writer(path: Path) -> Writer:
    return Writer(path, clock=lambda: NOON)


KILLED = """
import sys
from pathlib import Path
from fleet.history.values import Frame, Kind, Sample, Subject
from fleet.history.writer import Writer
writer = Writer(Path(sys.argv[1]), clock=lambda: {noon} + at)
subjects = [Subject(Kind.GPU, f"gpu01/{{n}}") for n in range(64)]
at = 0
while True:
    for _ in range(20):
        at += 1
        writer.add(Frame({noon} + at, tuple(Sample(s, s.name, (at, 1, 2, 3, 4)) for s in subjects)))
    writer.flush()
    print(at, flush=True)
"""


@pytest.mark.parametrize("flushes", [1, 7, 40])
def test_a_process_killed_in_the_middle_of_writing_leaves_a_whole_file(path: Path, flushes: int) -> None:
    code = KILLED.format(noon=NOON)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for _ in range(flushes):
            flushed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    database = open_file(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    readings = recorded(path, NOON + flushed + 1)
    assert readings == list(range(1, flushed + 1))


BESIDE = """
import sys
from pathlib import Path
from fleet.history.values import Event, EventKind, Frame, Kind, Sample, Subject
from fleet.history.writer import Writer
at = 0
writer = Writer(Path(sys.argv[1]), clock=lambda: {noon} + at)
subjects = [Subject(Kind.GPU, f"gpu01/{{n}}") for n in range(8)]
sys.stdin.readline()
while at < 600:
    for _ in range(5):
        writer.add(Frame({noon} + at, tuple(Sample(s, s.name, (100, 1, 2, 3, 4)) for s in subjects)))
        at += 1
    word = "live" if at // 100 % 2 else "stale"
    writer.add(Event({noon} + at, EventKind.LINK, "gpu01", word))
    writer.flush()
writer.flush()
writer.close()
print(writer.trouble, writer.notice)
"""


def test_two_consoles_at_once_record_every_second_once(path: Path) -> None:
    code = BESIDE.format(noon=NOON)
    consoles = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    for console in consoles:
        assert console.stdin is not None
        console.stdin.write("go\n")
        console.stdin.flush()
    assert [console.communicate()[0].strip() for console in consoles] == ["", ""]
    database = open_file(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*), sum(used_bytes) FROM gpu_raw").fetchone() == (8 * 600, 8 * 600 * 100)
    assert database.execute("SELECT count(*), max(used_bytes_n) FROM gpu_minute").fetchone() == (8 * 10, 60)
    words = [word for (word,) in database.execute("SELECT value FROM event ORDER BY at, id")]
    database.close()
    assert words == ["stale", "live", "stale", "live", "stale", "live", "stale"]


FULL = """
import resource, sys
from pathlib import Path
from fleet.history.values import Event, EventKind, Frame, Kind, Sample, Subject
from fleet.history.writer import Writer
writer = Writer(Path(sys.argv[1]), clock=lambda: {noon})
subjects = [Subject(Kind.GPU, f"gpu01/{{n}}") for n in range(64)]

def frames(first, number):
    for at in range(first, first + number):
        writer.add(Frame({noon} + at, tuple(Sample(s, s.name, (at, 1, 2, 3, 4)) for s in subjects)))

frames(0, 10)
writer.flush()
print(writer.trouble)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
frames(10, 300)
writer.add(Event({noon} + 20, EventKind.LINK, "gpu01", "lost"))
writer.flush()
print(writer.trouble)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
frames(400, 10)
writer.flush()
print(writer.trouble)
writer.close()
"""


def test_without_room_recording_pauses_says_so_and_goes_on_when_there_is(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(noon=NOON), str(path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    before, full, after = done.stdout.split("\n")[:3]
    assert (before, after) == ("", "")
    assert full == f"Recording has paused: there is no room for {path}; it goes on when there is."
    assert recorded(path) == [*range(10), *range(400, 410)]
    with history(path) as found:
        assert [event.value for event in found.events(NOON, NOON + 1000)] == ["lost"]


def test_a_database_that_may_not_grow_is_a_full_disk(path: Path, writer: Writer) -> None:
    writer.add(frame(NOON))
    writer.flush()
    assert writer._database is not None
    (pages,) = writer._database.execute("PRAGMA page_count").fetchone()
    writer._database.execute(f"PRAGMA max_page_count = {pages}")
    for second in range(1, 500):
        writer.add(frame(NOON + second))
    writer.flush()
    assert "there is no room" in writer.trouble
    writer.add(frame(NOON + 600))
    writer.flush()
    assert writer.trouble == ""
    writer.close()
    assert len(recorded(path)) == 2


def test_a_folder_that_cannot_be_made_is_said_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = Writer(tmp_path / "file" / "fleet.history", clock=lambda: NOON)
    writer.add(frame(NOON))
    writer.flush()
    assert "cannot be written" in writer.trouble
    writer.flush()
    assert "cannot be written" in writer.trouble, "nothing was tried, so nothing is better"
    (tmp_path / "file").unlink()
    writer.add(frame(NOON + 1))
    writer.flush()
    writer.close()
    assert writer.trouble == ""
    assert len(recorded(tmp_path / "file" / "fleet.history")) == 1


@pytest.mark.parametrize("kind", ["text", "foreign", "cut"])
def test_a_file_that_is_no_history_is_set_aside_whole(path: Path, writer: Writer, kind: str) -> None:
    path.parent.mkdir()
    if kind == "text":
        path.write_text("Dear diary, today the GPUs were warm.\n" * 100)
    elif kind == "foreign":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE diary (entry TEXT)")
        database.close()
    else:
        path.write_bytes(b"SQLite format 3\0" + b"\x07" * 5000)
    before = path.read_bytes()
    writer.add(frame(NOON))
    writer.flush()
    writer.close()
    assert recorded(path) == [100]
    (aside,) = [other for other in path.parent.iterdir() if "set-aside" in other.name]
    assert aside.read_bytes() == before
    assert re.fullmatch(
        rf"The history {path.name} could not be used \(.+\); it is kept as {aside.name}, .+", writer.notice
    )
    assert writer.trouble == ""


def test_a_file_spoilt_in_its_middle_is_set_aside_while_recording(path: Path, writer: Writer) -> None:
    for second in range(2000):
        writer.add(frame(NOON + second))
    writer.flush()
    writer.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    for second in range(3):
        writer.add(frame(NOON + 3000 + second))
        writer.flush()
    writer.close()
    assert "is kept as" in writer.notice
    assert writer.trouble == ""
    assert recorded(path, NOON + 4000)
    assert len([other for other in path.parent.iterdir() if "set-aside" in other.name]) == 1


def test_a_spoilt_file_that_cannot_be_set_aside_is_said_and_tried_again(
    path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_text("Dear diary. " * 1000)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        writer.add(frame(NOON))
        writer.flush()
    assert "cannot be written: Permission denied" in writer.trouble
    writer.add(frame(NOON + 1))
    writer.flush()
    writer.close()
    assert writer.trouble == ""
    assert recorded(path) == [100]


def test_a_second_console_does_not_set_the_new_file_aside(path: Path, writer: Writer) -> None:
    other = Writer(path, clock=lambda: NOON)
    for one in (writer, other):
        one.add(frame(NOON))
        one.flush()
        one.close()
    path.write_bytes(b"gone wrong" * 1000)
    for one in (writer, other):
        one.add(frame(NOON + 1))
        one.flush()
        one.close()
    assert len([other for other in path.parent.iterdir() if "set-aside" in other.name]) == 1
    assert recorded(path) == [100]


def test_a_file_of_a_later_gpudeck_is_left_alone(path: Path, writer: Writer) -> None:
    open_file(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    writer.add(frame(NOON))
    writer.flush()
    writer.close()
    assert "written by a later gpudeck (version 99" in writer.trouble
    with pytest.raises(GpudeckError, match="version 99"), history(path):
        pass
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_a_file_from_before_a_quantity_was_measured_gets_its_columns(path: Path, writer: Writer) -> None:
    database = open_file(path)
    database.execute("ALTER TABLE gpu_raw DROP COLUMN power_w")
    for part in ("n", "low", "sum", "peak"):
        database.execute(f"ALTER TABLE gpu_minute DROP COLUMN power_w_{part}")
    database.execute("INSERT INTO subject VALUES (1, 'gpu', 'gpu01 0000:0c:00.0', 'gpu01/0')")
    database.execute("INSERT INTO gpu_raw VALUES (?, 42, 1, 2, 3)", (NOON << 20 | 1,))
    database.close()
    writer.add(frame(NOON + 1))
    writer.flush()
    writer.close()
    assert recorded(path) == [42, 100]
    with history(path) as found:
        assert [bucket.peak for bucket in found.series(GPU, "power_w", NOON, NOON + 2, 2) if bucket] == [4]


def test_a_start_kept_before_arguments_were_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    with monkeypatch.context() as earlier:
        earlier.setattr("fleet.history.file._STEPS", _STEPS[:1])
        database = open_file(path)
        database.execute(
            "INSERT INTO start VALUES "
            "('llama', 'gpu01/0', 'run', 1, 'vllm 0.9.0', '3f2a', '{}', '{}', 'oom', '', 1, NULL)"
        )
        database.close()
    with history(path) as found:
        (start,) = found.starts("llama")
    assert (start.outcome, start.given) == ("oom", {})


def test_a_file_of_an_earlier_version_is_brought_up_to_date_with_all_it_holds(
    path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.add(frame(NOON))
    writer.flush()
    writer.close()
    monkeypatch.setattr("fleet.history.file._STEPS", (*_STEPS, "CREATE TABLE note (at INTEGER, words TEXT)"))
    writer.add(frame(NOON + 1))
    writer.flush()
    writer.close()
    assert (writer.trouble, writer.notice) == ("", "")
    assert recorded(path) == [100, 100]
    database = open_file(path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(_STEPS) + 1,)
    assert database.execute("SELECT count(*) FROM note").fetchone() == (0,)
    database.close()


def test_a_spoilt_file_is_said_by_readers_and_left_to_writers(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(GpudeckError, match="cannot be read"), history(path):
        pass
    assert path.exists()


def test_only_its_owner_may_read_it(path: Path, writer: Writer) -> None:
    writer.add(frame(NOON))
    writer.flush()
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    writer.close()


def test_what_waits_is_written_when_the_console_ends(path: Path) -> None:
    writer = Writer(path)
    thread = WriterThread(writer, interval=3600)
    writer.add(frame(NOON))
    writer.add(Event(NOON, EventKind.LINK, "gpu01", "live"))
    thread.close()
    assert recorded(path) == [100]
    assert not list(path.parent.glob("*-wal"))
