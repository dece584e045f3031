"""The probe reads the same from a scratch tree whatever shell runs it, and ends when nobody listens."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.readings import HostReading
from fleet.simulator.child import Demo, start_demo
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash"], "posix": ["bash", "--posix"]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated host's sysfs and procfs, standing still."""
    copy = tmp_path_factory.mktemp("tree") / "root"
    with start_demo(seed=0) as demo:
        asyncio.run(demo.ready())
        shutil.copytree(_root(demo), copy, symlinks=True)
    return copy


def _root(demo: Demo) -> Path:
    (found,) = demo.directory.glob("hosts/*/root")
    return found


def run(shell: list[str], tree: Path, requests: int = 0) -> bytes:
    """What the probe prints, asked for each further frame once the one before it is whole, as a watcher does."""
    environment = {"PROBE_ROOT": str(tree), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [*shell, "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as probe:
        assert probe.stdin and probe.stdout and probe.stderr
        probe.stdin.write(script().encode())
        probe.stdin.flush()
        printed = []
        for number in range(requests + 1):
            while not (line := probe.stdout.readline()).startswith(b"@end"):
                assert line, "the probe ended within a frame"
                printed.append(line)
            printed.append(line)
            if number < requests:
                probe.stdin.write(b"\n")
                probe.stdin.flush()
        probe.stdin.close()
        assert probe.stdout.read() == b""
        assert probe.stderr.read() == b""
        assert probe.wait() == 0
    return b"".join(printed)


def readings(printed: bytes) -> list[HostReading]:
    reader = FrameReader()
    return [join(frame) for line in printed.decode().splitlines() if (frame := reader.feed(line))]


@pytest.mark.parametrize("name", [name for name in SHELLS if name != "dash"])
def test_every_shell_gives_identical_bytes(tree: Path, name: str) -> None:
    for needed in (SHELLS[name][0], "dash"):
        if shutil.which(needed) is None:
            pytest.skip(f"there is no {needed} on this machine")
    assert run(SHELLS[name], tree, 2) == run(SHELLS["dash"], tree, 2)


def test_each_line_of_input_is_one_more_frame_and_its_end_is_the_end(tree: Path) -> None:
    found = readings(run(["sh"], tree, 3))
    assert [reading.sequence for reading in found] == [0, 1, 2, 3]
    assert all(len(reading.gpus) == 8 and len(reading.processes) >= 11 for reading in found)


def test_a_frame_after_the_first_is_small(tree: Path) -> None:
    assert (len(run(["sh"], tree, 3)) - len(run(["sh"], tree))) / 3 <= 4096


def test_a_host_without_a_gpu_gives_empty_frames(tmp_path: Path) -> None:
    for folder in ("proc/sys/kernel/random", "sys/class"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/uptime").write_text("5.0 1.0\n")
    (reading,) = readings(run(["sh"], tmp_path))
    assert reading.gpus == ()


def test_it_writes_nothing_and_opens_no_device() -> None:
    text = "\n".join(line for line in script().splitlines() if not line.lstrip().startswith("#"))
    assert "/dev/" not in text.replace("/dev/null", "")
    assert ">" not in text.replace("2>/dev/null", "")
