"""The demo as a child process: started early, awaited late, ended with its parent. Standard library only.

The child's standard input is a pipe that only this process holds, so it ends however this process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Self

from fleet.errors import Exit, GpudeckError

_END_SECONDS = 3.0
"""How long the child may take to clean up before it is killed."""


class DemoError(GpudeckError):
    """The simulated hosts did not come up."""

    title = "The demo did not start"
    exit_code = Exit.USAGE


def start_demo(
    directory: Path | None = None,
    *,
    seed: int = 0,
    speed: float | None = None,
    hosts: int = 1,
    scenario: str = "usual",
) -> Demo:
    """Start the simulated hosts in a child process, without waiting for them.

    Args:
        directory: Where its files go; None = a folder of its own for temporary files.
        seed: Of all its noise.
        speed: How many times faster than in life engines start; None = the simulator's own choice.
        hosts: How many there are.
        scenario: How many requests come: a name of `fleet.simulator.scenario.SCENARIOS`.
    """
    if directory is None:
        from fleet.simulator.scratch import choose

        directory = choose()
    # A file, because a pipe that nobody reads could fill up and stop the child; Demo closes it.
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    words = [sys.executable, "-P", "-m", "fleet.simulator", "--serve", str(directory.absolute())]
    words += ["--seed", str(seed), "--hosts", str(hosts), "--scenario", scenario]
    if speed is not None:
        words += ["--speed", str(speed)]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "PYTHONPATH": _package_path()},
        bufsize=0,
        start_new_session=True,
    )
    return Demo(process, directory.absolute(), errors)


def _package_path() -> str:
    """The child's search path: first where this process found the package, whatever folder it is in."""
    here = str(Path(__file__).resolve().parents[2])
    given = os.environ.get("PYTHONPATH")
    return f"{here}{os.pathsep}{given}" if given else here


class Demo:
    """The simulated hosts in a process of their own: `close` it, or use it in ``with``."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path, errors: IO[bytes]) -> None:
        self.directory = directory
        """Its files; known at once, there once it is `ready`."""
        self._process = process
        self._errors = errors
        self._ready: asyncio.Task[None] | None = None

    @property
    def fleet_file(self) -> Path:
        """The fleet file of the simulated hosts; it exists once they are `ready`."""
        return self.directory / "fleet.yaml"

    @property
    def pid(self) -> int:
        """The child."""
        return self._process.pid

    async def ready(self) -> None:
        """Return when every host can be reached. Raises DemoError where they do not come up."""
        if self._ready is None:
            self._ready = asyncio.create_task(self._wait_ready(), name="demo ready")
        await asyncio.shield(self._ready)

    def close(self) -> None:
        """End the child and wait until it is gone; a second call does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    async def _wait_ready(self) -> None:
        line = await self._first_line()
        said = json.loads(line) if line.startswith(b"{") else {}
        if said.get("ready") is True:
            return
        if "error" in said:
            raise DemoError(said["error"], said["way_out"])
        last = self._last_words() or "it ended without a word"
        raise DemoError(f"The process of the simulated hosts failed: {last}.")

    async def _first_line(self) -> bytes:
        """The child's first line of output, or what there was before it ended."""
        loop, output = asyncio.get_running_loop(), self._process.stdout
        if output is None:
            raise AssertionError("asked for a pipe")
        readable = asyncio.Event()
        loop.add_reader(output, readable.set)
        try:
            line = b""
            while not line.endswith(b"\n"):
                await readable.wait()
                readable.clear()
                data = os.read(output.fileno(), 4096)
                if not data:
                    break
                line += data
            return line
        finally:
            loop.remove_reader(output)

    def _last_words(self) -> str:
        """The last line a child that has ended wrote to standard error."""
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else ""
