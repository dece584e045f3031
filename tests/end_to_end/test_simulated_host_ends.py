"""However the simulated host ends, no process and no folder of it stays for long."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path

import asyncssh
import pytest

from fleet.simulator.child import Demo, DemoError, start_demo

PATIENCE = 60
PARENT = """
import asyncio, sys
from fleet.simulator.child import start_demo
demo = start_demo(speed=100)
asyncio.run(demo.ready())
print(demo.pid, demo.directory, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test's own; the parent of all demos' folders below it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder / f"gpudeck-{os.getuid()}"


async def gone(pid: int) -> None:
    """Wait until a process has ended, our child or not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], PATIENCE)
        assert ready, f"process {pid} did not end"
    finally:
        os.close(descriptor)


def folders(temporary: Path) -> list[Path]:
    return sorted(temporary.glob("demo-*"))


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in listed.split()]


async def session(demo: Demo) -> tuple[asyncssh.SSHClientConnection, int]:
    """A connection with a program running over it, and that program's pid."""
    connection = await asyncssh.connect("gpu01", config=[str(demo.directory / "ssh_config")])
    process = await connection.create_process("sleep 1000 & echo $!; wait")
    return connection, int(await process.stdout.readline())


async def test_closing_leaves_neither_process_nor_folder(temporary: Path) -> None:
    with start_demo() as demo:
        await demo.ready()
        assert folders(temporary) == [demo.directory]
        connection, program = await session(demo)
        helpers = children(demo.pid)
    await gone(demo.pid)
    for pid in (program, *helpers):
        await gone(pid)
    assert folders(temporary) == []
    connection.abort()


async def test_a_folder_that_looks_like_our_package_does_not_get_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "__init__.py").write_text("raise SystemExit('the wrong fleet')")
    monkeypatch.chdir(tmp_path)
    with start_demo() as demo:
        await demo.ready()


async def test_closing_before_it_is_ready_leaves_nothing(temporary: Path) -> None:
    start_demo().close()
    assert folders(temporary) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_it_cleanly(temporary: Path, number: signal.Signals) -> None:
    with start_demo() as demo:
        await demo.ready()
        os.kill(demo.pid, number)
        await gone(demo.pid)
        assert folders(temporary) == []


async def test_a_killed_parent_takes_the_demo_with_it(temporary: Path) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdin=PIPE, stdout=PIPE)
    assert parent.stdout is not None
    demo = int((await parent.stdout.readline()).split()[0])
    helpers = children(demo)
    parent.kill()
    await parent.wait()
    for pid in (demo, *helpers):
        await gone(pid)
    assert folders(temporary) == []


async def test_a_killed_demo_leaves_one_folder_that_the_next_one_removes(temporary: Path) -> None:
    with start_demo() as demo:
        await demo.ready()
        connection, program = await session(demo)
        helpers = children(demo.pid)
        os.kill(demo.pid, signal.SIGKILL)
        for pid in (demo.pid, program, *helpers):
            await gone(pid)
    assert folders(temporary) == [demo.directory]
    with start_demo() as following:
        await following.ready()
        assert folders(temporary) == [following.directory]
    assert folders(temporary) == []
    connection.abort()


async def test_two_demos_do_not_disturb_each_other(temporary: Path) -> None:
    with start_demo() as one, start_demo() as other:
        await one.ready()
        await other.ready()
        assert len(folders(temporary)) == 2
        other.close()
        connection, _ = await session(one)
        connection.abort()


async def test_a_folder_with_other_files_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with start_demo(tmp_path / "mine") as demo:
        with pytest.raises(DemoError, match="holds files that are not a demo's") as raised:
            await demo.ready()
        assert raised.value.way_out == "Name an empty or a new folder."
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


async def test_a_child_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        start_demo(tmp_path / "mine", speed=-1) as demo,
        pytest.raises(DemoError, match="--speed is a number above 0"),
    ):
        await demo.ready()
