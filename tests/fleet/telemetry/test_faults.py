"""A real OpenSSH server that freezes, dies, reboots or turns its clock: each an honest word, and a way back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from openssh import MISSING, SshServer, new_key, openssh_server
from watching import Times, is_, watched

from fleet.model import Engine, Model, Place
from fleet.readings import HostSnapshot, Link
from fleet.ssh.connection import HostConnection
from fleet.telemetry.backoff import FIRST_SECONDS, LAST_SECONDS, backoff

openssh = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the probe takes for the host's own proc and sys: no GPU, a boot id and a clock."""
    root = tmp_path / "root"
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "sys/class/kfd/kfd/topology/nodes").mkdir(parents=True)
    (root / "sys/class/kfd/kfd/topology/generation_id").write_text("1\n")
    (root / "proc/sys/kernel/random/boot_id").write_text("first\n")
    (root / "proc/uptime").write_text("1000.00 1.00\n")
    return root


@pytest.fixture
def server(tmp_path: Path, root: Path) -> Iterator[SshServer]:
    with openssh_server(tmp_path / "sshd", f"SetEnv PROBE_ROOT={root}") as running:
        yield running


def connection(server: SshServer) -> HostConnection:
    return HostConnection("gpu01", "gpu01", server.ssh_config)


def replace_file(path: Path, text: str) -> None:
    """Change a file so that nobody reads half of it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.rename(path)


def at(uptime: float) -> Callable[[HostSnapshot], bool]:
    return lambda snapshot: snapshot.reading is not None and snapshot.reading.uptime_seconds == uptime


@openssh
async def test_a_frozen_host_is_stale_after_three_intervals_then_lost_and_comes_back(server: SshServer) -> None:
    interval = 0.2
    async with watched(connection(server), interval=interval) as board:
        times = Times(board)
        await board.until("gpu01", is_(Link.LIVE), 20)
        frozen = server.sessions()
        server.signal_sessions(signal.SIGSTOP)
        stale = await board.until("gpu01", is_(Link.STALE), 20)
        assert "slow to answer" in stale.reason
        lost = await board.until("gpu01", is_(Link.LOST), 20)
        assert lost.reading is not None, "what was read last is still shown"
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        assert (await board.until("gpu01", is_(Link.LIVE), 20)).reason == ""
    assert times.ages[Link.STALE] >= 3 * interval
    assert times.ages[Link.LOST] >= 10 * interval


@openssh
async def test_a_host_that_thaws_before_it_is_lost_goes_on_as_if_nothing_was(server: SshServer) -> None:
    async with watched(connection(server), interval=0.5) as board:
        times = Times(board)
        first = await board.until("gpu01", is_(Link.LIVE), 20)
        before = server.sessions()
        server.signal_sessions(signal.SIGSTOP)
        await board.until("gpu01", is_(Link.STALE), 20)
        server.signal_sessions(signal.SIGCONT)
        again = await board.until("gpu01", is_(Link.LIVE), 20)
        assert first.reading
        assert again.reading
        assert again.reading.sequence > first.reading.sequence, "the same probe went on"
        assert server.sessions() == before
    assert Link.LOST not in times.ages


@openssh
async def test_a_killed_session_is_lost_and_opened_again(server: SshServer) -> None:
    async with watched(connection(server)) as board:
        await board.until("gpu01", is_(Link.LIVE), 20)
        server.signal_sessions(signal.SIGKILL)
        assert "The connection to gpu01 was lost" in (await board.until("gpu01", is_(Link.LOST), 20)).reason
        await board.until("gpu01", is_(Link.LIVE), 20)


@openssh
async def test_a_host_that_is_gone_says_so_until_it_is_back(server: SshServer) -> None:
    async with watched(connection(server)) as board:
        await board.until("gpu01", is_(Link.LIVE), 20)
        server.kill()
        await board.until("gpu01", lambda seen: "nothing listens there" in seen.reason, 20)
        assert board.snapshots["gpu01"].link is Link.LOST
        server.start_again()
        await board.until("gpu01", is_(Link.LIVE), 20)


@openssh
async def test_a_host_that_comes_back_with_another_key_is_not_believed(server: SshServer) -> None:
    async with watched(connection(server)) as board:
        await board.until("gpu01", is_(Link.LIVE), 20)
        server.kill()
        for end in ("", ".pub"):
            (server.folder / f"host_key{end}").unlink()
        key = new_key(server.folder / "host_key")
        server.start_again()
        refused = await board.until("gpu01", lambda seen: "has changed" in seen.reason, 20)
        assert refused.link is Link.LOST
        assert f"{server.known_hosts}:1" in refused.reason
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {key}\n")
        await board.until("gpu01", is_(Link.LIVE), 20)


@openssh
async def test_a_reboot_is_told_and_what_was_known_of_engines_is_dropped(server: SshServer, root: Path) -> None:
    async def healthy(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    engine = await asyncio.start_server(healthy, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{engine.sockets[0].getsockname()[1]}"
    model = Model("m", Engine("other"), place=Place("gpu01", (0,)), url=url, memory_bytes=1)
    since: list[HostSnapshot] = []
    async with watched(connection(server), model) as board:
        await board.until("gpu01", lambda seen: seen.link is Link.LIVE and "m" in seen.engines, 20)
        assert board.snapshots["gpu01"].engines["m"].healthy
        server.kill()
        engine.close()
        await board.until("gpu01", is_(Link.LOST), 20)
        replace_file(root / "proc/sys/kernel/random/boot_id", "second\n")
        replace_file(root / "proc/uptime", "5.00 1.00\n")
        board.subscribe(since.append)
        server.start_again()
        back = await board.until("gpu01", at(5.0), 20)
        await board.until("gpu01", lambda seen: seen.link is Link.LIVE and "m" in seen.engines, 20)
    assert back.remarks == ("gpu01 was rebooted while it was watched.",)
    assert not any(seen.engines["m"].healthy for seen in since if seen.link is Link.LIVE and "m" in seen.engines)


@openssh
async def test_the_same_boot_after_a_lost_line_is_no_reboot(server: SshServer) -> None:
    async with watched(connection(server)) as board:
        await board.until("gpu01", is_(Link.LIVE), 20)
        server.signal_sessions(signal.SIGKILL)
        await board.until("gpu01", is_(Link.LOST), 20)
        assert (await board.until("gpu01", is_(Link.LIVE), 20)).remarks == ()


@openssh
@pytest.mark.parametrize("uptime", ["10.00", "9999999.00"])
async def test_a_clock_that_jumps_makes_no_reading_older_or_newer(server: SshServer, root: Path, uptime: str) -> None:
    async with watched(connection(server), interval=0.1) as board:
        times = Times(board)
        await board.until("gpu01", is_(Link.LIVE), 20)
        replace_file(root / "proc/uptime", f"{uptime} 1.00\n")
        if uptime[0].isdigit():
            await board.until(
                "gpu01", lambda seen: bool(seen.reading and seen.reading.uptime_seconds == float(uptime)), 20
            )
            assert times.ages == {}
        else:
            await board.until("gpu01", is_(Link.STALE), 20)
        replace_file(root / "proc/uptime", "1001.00 1.00\n")
        await board.until("gpu01", at(1001), 20)
        assert board.snapshots["gpu01"].link is Link.LIVE


@openssh
async def test_services_that_cannot_be_asked_for_are_told_beside_live_readings(tmp_path: Path, root: Path) -> None:
    model = Model("m", Engine("other"), place=Place("gpu01", (0,)), service="systemd:m.service", memory_bytes=1)
    with openssh_server(tmp_path / "few", f"SetEnv PROBE_ROOT={root}", "MaxSessions 1") as few:
        async with watched(connection(few), model) as board:
            told = await board.until("gpu01", lambda seen: bool(seen.remarks), 20)
    assert told.link is Link.LIVE
    assert "MaxSessions" in told.remarks[0]


def test_waits_double_up_to_a_limit_and_chance_keeps_hosts_apart() -> None:
    waits = list(islice(backoff(random.Random(1)), 12))
    limits = [min(FIRST_SECONDS * 2**n, LAST_SECONDS) for n in range(12)]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, limits, strict=True))
    assert waits != list(islice(backoff(random.Random(2)), 12))
    assert limits[-1] == LAST_SECONDS
