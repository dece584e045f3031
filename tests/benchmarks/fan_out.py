"""What many hosts cost one console: 256 hosts of 8 GPUs, a frame a second, while 5 are frozen and 5 flap.

Run with ``python tests/benchmarks/fan_out.py [--hosts N] [--models N] [--seconds S] [--profile FILE]``.

The hosts are SSH servers on loopback in child processes, which play back frames that the real probe read from the
simulated host's tree. The console's side is all real: connections, watchers, board, and the join of everything twice
a second, as the screen asks for it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncssh

from console.session import Session
from fleet.inventory import Host, Inventory
from fleet.model import Engine, Model, Place
from fleet.readings import HostSnapshot, Link
from fleet.simulator.child import start_demo
from fleet.ssh.login_shell import line_for
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join

FAULTY = 5
FLAP_SECONDS = 3.0
FRAMES = 12
TICK_SECONDS = 0.5
UNIT = b"Id=%b\nLoadState=loaded\nActiveState=active\nSubState=running\nMainPID=4242\nNRestarts=0\nResult=success\n"
METRICS = b"".join(
    b'vllm:%b{engine="0",model_name="m",le="%d"} 1.0\n' % (name, number)
    for name in (
        b"time_to_first_token_seconds_bucket",
        b"num_requests_running",
        b"kv_cache_usage_perc",
        b"other_bucket",
    )
    for number in range(1 if b"bucket" not in name else 150)
)
_NUMBER = re.compile(rb"^@(frame|end) \d+", re.MULTILINE)


def record() -> list[bytes]:
    """What the real probe prints of the simulated host: its description with the first frame, then further frames."""
    with start_demo(seed=0) as demo:
        asyncio.run(demo.ready())
        (root,) = demo.directory.glob("hosts/*/root")
        environment = {"PROBE_ROOT": str(root), "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as probe:
            assert probe.stdin and probe.stdout
            probe.stdin.write(script().encode())
            probe.stdin.flush()
            frames = []
            for _ in range(FRAMES):
                lines: list[bytes] = []
                while not lines or not lines[-1].startswith(b"@end"):
                    lines.append(probe.stdout.readline())
                frames.append(b"".join(lines))
                time.sleep(0.2)
                probe.stdin.write(b"\n")
                probe.stdin.flush()
            probe.stdin.close()
    return frames


# the hosts, in a child process


class _Login(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        return _engine


async def _engine(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
    """Be a vLLM that works."""
    request = await reader.readuntil(b"\r\n\r\n")
    body = METRICS if b" /metrics " in request else b""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    writer.close()


async def _play(frames: list[bytes], flaps: bool, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Be a probe: frame after frame, one for each line asked."""
    if process.command != line_for("sh -s --"):
        units = re.findall(r"\S+\.service", process.command or "")
        process.stdout.write(b"gpudeck-begins-here\n" + b"\n".join(UNIT % unit.encode() for unit in units))
        process.exit(0)
        return
    if flaps:
        connection = process.channel.get_connection()
        asyncio.get_running_loop().call_later(FLAP_SECONDS, connection.abort)
    try:
        process.stdout.write(b"gpudeck-begins-here\n")
        await process.stdin.readexactly(len(script().encode()))
        number = 0
        while True:
            frame = frames[number and 1 + number % (len(frames) - 1)]
            process.stdout.write(_NUMBER.sub(rb"@\1 %d" % number, frame))
            number += 1
            if not await process.stdin.readline():
                return
    except (asyncssh.Error, asyncio.IncompleteReadError, OSError):
        pass
    finally:
        process.exit(0)


async def _serve(first: int, count: int, flapping: int, folder: Path) -> None:
    frames = [bytes.fromhex(text) for text in json.loads((folder / "frames.json").read_text())]
    key = asyncssh.read_private_key(folder / "host_key")
    lines = []
    for index in range(count):
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Login,
            server_host_keys=[key],
            process_factory=partial(_play, frames, index < flapping),
            encoding=None,
            line_editor=False,
        )
        lines.append(f"Host gpu{first + index:03}\n  HostName 127.0.0.1\n  Port {listener.get_port()}\n")
    (folder / f"hosts{first}").write_text("".join(lines))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    threading.Thread(target=_obey, args=(loop,), daemon=True).start()
    await asyncio.Event().wait()


def _obey(loop: asyncio.AbstractEventLoop) -> None:
    """Freeze when told to, and end with the process that told, frozen or not."""
    for _ in sys.stdin:
        loop.call_soon_threadsafe(threading.Event().wait)
    os._exit(0)


@contextmanager
def hosts(first: int, count: int, flapping: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is that many hosts; it ends with this one."""
    words = [sys.executable, __file__, "--serve", str(first), str(count), str(flapping), str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait()


# the console


@dataclass(slots=True)
class Spent:
    """Processor seconds and seconds since the last look."""

    cpu: float = 0.0
    wall: float = 0.0

    def percent(self) -> float:
        """Of one core, since the last look."""
        cpu, wall = time.process_time(), time.monotonic()
        share = 100 * (cpu - self.cpu) / (wall - self.wall)
        self.cpu, self.wall = cpu, wall
        return share


def _services(frame: bytes) -> list[str]:
    """Who holds memory in a frame."""
    reader = FrameReader()
    readings = [join(whole) for line in frame.decode().splitlines() if (whole := reader.feed(line))]
    return sorted({process.owner for process in readings[-1].processes if process.owner})


def _model(host: str, index: int, service: str) -> Model:
    return Model(
        f"{host}-m{index}",
        Engine.parse("vllm 0.19.0"),
        source="meta-llama/Llama-3.1-8B-Instruct",
        place=Place(host, (index % 8,)),
        service=service,
        url=f"http://127.0.0.1:{8000 + index}",
    )


async def _measure(
    folder: Path, number: int, services: list[str], frozen: subprocess.Popen[str], seconds: float, profile: str
) -> None:
    names = [f"gpu{index:03}" for index in range(number)]
    inventory = Inventory(
        "wide",
        tuple(Host(name, name, "MI300X", 8) for name in names),
        tuple(_model(name, index, service) for name in names for index, service in enumerate(services)),
        ssh_config=folder / "ssh_config",
    )
    session = Session(inventory, state_folder=folder)
    waiting = set(names)
    all_live = asyncio.Event()

    def first(snapshot: HostSnapshot) -> None:
        if snapshot.link is Link.LIVE:
            waiting.discard(snapshot.host)
        if not waiting:
            all_live.set()

    spent = Spent(time.process_time(), time.monotonic())
    began = time.monotonic()
    session.board.subscribe(first)
    async with session.watching():
        async with asyncio.timeout(120):
            await all_live.wait()
        print(f"all {number} hosts live after {time.monotonic() - began:14.1f} s, CPU {spent.percent():.0f} %")
        assert frozen.stdin
        frozen.stdin.write("freeze\n")
        frozen.stdin.flush()
        await asyncio.sleep(12)
        faulty = set(names[: 2 * FAULTY])
        links = [session.board.snapshots[name].link for name in names[FAULTY : 2 * FAULTY]]
        print(f"frozen hosts, after 12 s                {', '.join(sorted(set(links)))}")
        healthy = [name for name in names if name not in faulty]
        session.state()  # reckons every model once, as a console did long ago
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        spent.percent()
        await _ages(session, healthy, seconds / 2, drawn=False)
        reading = spent.percent()
        ages = await _ages(session, healthy, seconds / 2, drawn=True)
        joining = spent.percent()
        if profile:
            profiler.disable()
            profiler.dump_stats(profile)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    middle, worst = quantiles(ages, n=100)[49], quantiles(ages, n=100)[98]
    print(f"console CPU, reading                    {reading:8.1f} % of a core")
    print(f"console CPU, joined every {TICK_SECONDS:g} s too       {joining:8.1f} % of a core, target 60")
    print(f"console memory at its largest           {rss:8.1f} MB, target 400")
    print(f"age of {len(healthy)} hosts, median              {middle:8.2f} s")
    print(f"age of {len(healthy)} hosts, p99                 {worst:8.2f} s, target 2")


async def _ages(session: Session, names: list[str], seconds: float, *, drawn: bool) -> list[float]:
    """Ages of those hosts at every tick; with ``drawn``, everything is joined as for a screen."""
    ages: list[float] = []
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        if drawn:
            session.state()
        snapshots = session.board.snapshots
        ages += [now - (snapshots[name].read_at or 0) for name in names]
        await asyncio.sleep(TICK_SECONDS)
    return ages


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=256)
    parser.add_argument("--models", type=int, default=0, help="models a host, each a unit and an endpoint to ask")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--profile", default="")
    parser.add_argument("--serve", nargs=4, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        first, count, flapping, folder = options.serve
        asyncio.run(_serve(int(first), int(count), int(flapping), Path(folder)))
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        frames = record()
        (folder / "frames.json").write_text(json.dumps([frame.hex() for frame in frames]))
        services = _services(frames[0])[: options.models]
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / "host_key")
        rest = options.hosts - 2 * FAULTY
        stack.enter_context(hosts(0, FAULTY, FAULTY, folder))
        frozen = stack.enter_context(hosts(FAULTY, FAULTY, 0, folder))
        stack.enter_context(hosts(2 * FAULTY, rest, 0, folder))
        _write_client(folder, key, [0, FAULTY, 2 * FAULTY])
        asyncio.run(_measure(folder, options.hosts, services, frozen, options.seconds, options.profile))


def _write_client(folder: Path, key: asyncssh.SSHKey, parts: list[int]) -> None:
    config = "".join((folder / f"hosts{first}").read_text() for first in parts)
    (folder / "known_hosts").write_bytes(b"[127.0.0.1]:* " + key.export_public_key())
    (folder / "ssh_config").write_text(f"{config}Host *\n  User ops\n  UserKnownHostsFile {folder}/known_hosts\n")


if __name__ == "__main__":
    main()
