"""The probe as a watcher runs it: each further frame is asked for once the one before it is whole."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join

if TYPE_CHECKING:
    from fleet.readings import HostReading

SYSTEM_PATH = "/usr/bin:/bin"


class RunningProbe:
    """A probe that waits for requests."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.printed = bytearray()

    def ask(self) -> Self:
        """Ask for one more frame."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self

    def frame(self) -> bytes:
        """Everything printed up to the end of the next frame."""
        assert self.process.stdout
        lines = []
        while not (line := self.process.stdout.readline()).startswith(b"@end"):
            assert line, "the probe ended within a frame"
            lines.append(line)
        told = b"".join([*lines, line])
        self.printed += told
        return told

    def finish(self) -> bytes:
        """End its input; what it printed after its last frame."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.printed += rest
        return rest


@contextmanager
def running_probe(tree: Path, shell: Sequence[str] = ("sh",), path: str = SYSTEM_PATH) -> Iterator[RunningProbe]:
    """Run the probe over a tree until the context ends; it must then have ended well and quietly."""
    environment = {"PROBE_ROOT": str(tree), "PATH": path}
    with subprocess.Popen(
        [*shell, "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(script().encode())
        process.stdin.flush()
        probe = RunningProbe(process)
        try:
            yield probe
            probe.finish()
            assert process.stderr.read() == b""
            assert process.wait() == 0
        finally:
            process.kill()


def frames_of(tree: Path, shell: Sequence[str] = ("sh",), requests: int = 0, path: str = SYSTEM_PATH) -> bytes:
    """All that the probe prints when it is asked for so many further frames."""
    with running_probe(tree, shell, path) as probe:
        probe.frame()
        for _ in range(requests):
            probe.ask().frame()
    return bytes(probe.printed)


def readings(printed: bytes) -> list[HostReading]:
    """What a console makes of it."""
    reader = FrameReader()
    return [join(frame) for line in printed.decode().splitlines() if (frame := reader.feed(line))]
