"""What a watcher learns of starts: each read once, when it is over, by commands a real shell runs."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.commands import Answer, Read
from fleet.errors import UnreachableError
from fleet.inventory import Host
from fleet.model import Engine, Model, Place, Version
from fleet.readings import (
    EngineReading,
    GpuIdentity,
    GpuReading,
    HostReading,
    HostSnapshot,
    Link,
    ProcessReading,
    ServiceReading,
    ServiceWord,
)
from fleet.services.systemd import Systemd
from fleet.startup import Ending
from fleet.telemetry.starts import Starts

HOST = Host("gpu01", "gpu01", "MI300X", 8)
UNIT = Systemd("vllm-llama.service")
LLAMA = Model(
    "llama",
    Engine("vllm", Version("0.9.0")),
    source="meta-llama/Llama-3.1-8B-Instruct",
    place=Place("gpu01", (0,)),
    service=UNIT.name,
    url="http://127.0.0.1:8001",
)
FIRST, SECOND = "a" * 32, "b" * 32
LOG = (Path(__file__).parents[1] / "calibration" / "logs" / "vllm-0.9.2.dev364-rocm.log").read_text()
REFUSED = "ERROR [core.py:396] ValueError: No available memory for the cache blocks. Try increasing"
JOURNALCTL = """#!/bin/sh
for word in "$@"; do case $word in _SYSTEMD_INVOCATION_ID=*) id=${word#*=} ;; esac; done
[ -f "$LOGS/$id" ] || exit 0
echo "$id" >> "$LOGS/asked"
n=0
while IFS= read -r line; do
    n=$((n + 1))
    printf '[ %d.000000] gpu01 vllm[42]: %s\\n' $((1000 + n)) "$line"
done < "$LOGS/$id"
"""
SYSTEMCTL = """#!/bin/sh
cat <<'EOF'
# /etc/systemd/system/vllm-llama.service
[Service]
ExecStart=/opt/vllm/bin/vllm serve meta-llama/Llama-3.1-8B-Instruct --gpu-memory-utilization 0.7
EOF
"""


class Shell:
    """A connection whose host is a folder: a real shell runs its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = False
        for name, text in (("journalctl", JOURNALCTL), ("systemctl", SYSTEMCTL)):
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def log(self, run: str, text: str) -> None:
        (self.folder / run).write_text(text)

    def runs(self, pid: int, *words: str) -> None:
        place = self.folder / "proc" / str(pid)
        place.mkdir(parents=True, exist_ok=True)
        (place / "cmdline").write_text("".join(f"{word}\0" for word in words))

    @property
    def asked(self) -> list[str]:
        """The runs whose logs were read."""
        path = self.folder / "asked"
        return path.read_text().split() if path.exists() else []

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        if self.lost:
            raise UnreachableError("gpu01 was lost.")
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PROBE_ROOT": str(self.folder),
            "LOGS": str(self.folder),
        }
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", command.line, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await child.communicate()
        return Answer(child.returncode or 0, out.decode("utf-8", "replace"), err.decode())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    found = Shell(tmp_path)
    found.runs(42, "/opt/vllm/bin/vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--gpu-memory-utilization", "0.8")
    return found


def snapshot(run: str, word: ServiceWord = ServiceWord.ACTIVE, *, healthy: bool = True, pid: int = 42) -> HostSnapshot:
    identity = GpuIdentity("0000:5c:00.0", 0, "22683", None, 0, total_bytes=206_141_652_992)
    held = ProcessReading(43, 100_100, "S", "python3", "", UNIT.name, ((identity.pci, 1 << 30),))
    return HostSnapshot(
        "gpu01",
        Link.LIVE,
        reading=HostReading("boot", 1, 5000.0, (GpuReading(identity),), (held,)),
        services={"llama": ServiceReading(word, main_pid=pid, invocation=run)},
        engines={"llama": EngineReading(healthy=healthy)},
    )


def starts_over(shell: Shell) -> Starts:
    connection: Any = shell
    return Starts(HOST, connection)


async def refresh(starts: Starts, seen: HostSnapshot, model: Model = LLAMA) -> bool:
    return await starts.refresh([model], {"llama": UNIT}, seen)


async def test_a_start_that_came_up_is_read_once(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    starts = starts_over(shell)
    assert [await refresh(starts, snapshot(FIRST)) for _ in range(3)] == [True, False, False]
    assert shell.asked == [FIRST]
    start = starts.came_up(snapshot(FIRST).reading)["llama"]
    assert start.startup.cache_blocks == 62971
    assert (start.startup.began, start.invocation, start.accelerator) == (1001.0, FIRST, "MI300X")
    assert dict(start.args) == {"gpu-memory-utilization": 0.8}
    assert start.totals == (206_141_652_992,)
    assert start.teaches


async def test_nothing_is_asked_before_it_serves(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    starts = starts_over(shell)
    assert not await refresh(starts, snapshot(FIRST, healthy=False))
    assert not await refresh(starts, snapshot(FIRST, ServiceWord.STARTING))
    assert shell.asked == []


async def test_every_further_start_is_read_again(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    shell.log(SECOND, LOG.replace("62971", "62900"))
    starts = starts_over(shell)
    assert await refresh(starts, snapshot(FIRST))
    assert await refresh(starts, snapshot(SECOND))
    assert starts.came_up(None)["llama"].startup.cache_blocks == 62900


async def test_an_endpoint_that_answers_for_a_former_run_does_not_end_the_reading_of_this_one(shell: Shell) -> None:
    shell.log(FIRST, LOG.partition("init engine")[0])
    starts = starts_over(shell)
    assert not await refresh(starts, snapshot(FIRST))
    shell.log(FIRST, LOG)
    assert any([await refresh(starts, snapshot(FIRST)) for _ in range(2)])
    assert starts.came_up(None)["llama"].startup.ending is Ending.STARTED


async def test_a_log_that_never_comes_to_its_end_is_read_ever_more_seldom_and_then_taken_as_it_is(shell: Shell) -> None:
    shell.log(FIRST, LOG.partition("init engine")[0])
    starts = starts_over(shell)
    news = [await refresh(starts, snapshot(FIRST)) for _ in range(200)]
    assert news.count(True) == 1
    assert len(shell.asked) == 7
    assert not starts.came_up(None)["llama"].teaches


async def test_a_start_that_failed_is_kept_beside_the_one_that_came_up(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    shell.log(SECOND, f"INFO [api_server.py:1289] vLLM API server version 0.9.2\n{REFUSED}\n")
    starts = starts_over(shell)
    await refresh(starts, snapshot(FIRST))
    assert await refresh(starts, snapshot(SECOND, ServiceWord.FAILED, pid=0))
    assert starts.came_up(None)["llama"].invocation == FIRST
    failed = starts.failed(None)["llama"]
    assert (failed.startup.ending, failed.args["gpu-memory-utilization"]) == (Ending.REFUSED, 0.7)


async def test_a_start_that_comes_up_ends_the_failure_before_it(shell: Shell) -> None:
    shell.log(FIRST, f"INFO [api_server.py:1289] vLLM API server version 0.9.2\n{REFUSED}\n")
    shell.log(SECOND, LOG)
    starts = starts_over(shell)
    await refresh(starts, snapshot(FIRST, ServiceWord.FAILED, pid=0))
    assert "llama" in starts.failed(None)
    assert await refresh(starts, snapshot(SECOND))
    assert "llama" not in starts.failed(None)


async def test_a_crash_that_its_manager_restarted_at_once_is_read_all_the_same(shell: Shell) -> None:
    shell.log(FIRST, f"INFO [api_server.py:1289] vLLM API server version 0.9.2\n{REFUSED}\n")
    starts = starts_over(shell)
    assert not await refresh(starts, snapshot(FIRST, ServiceWord.STARTING, healthy=False))
    assert await refresh(starts, snapshot(SECOND, ServiceWord.STARTING, healthy=False))
    assert starts.failed(None)["llama"].invocation == FIRST


async def test_secrets_and_control_characters_of_a_command_line_are_not_kept(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    shell.runs(42, "vllm", "serve", "meta-llama/x", "--api-key", "s3cret", "--served-model-name", "a\x1b[31mb")
    starts = starts_over(shell)
    await refresh(starts, snapshot(FIRST))
    assert dict(starts.came_up(None)["llama"].args) == {"served-model-name": "ab"}


async def test_a_service_without_a_run_s_id_and_a_lost_host_teach_nothing(shell: Shell) -> None:
    starts = starts_over(shell)
    assert not await refresh(starts, snapshot(""))
    shell.lost = True
    with pytest.raises(UnreachableError):
        await refresh(starts, snapshot(FIRST))


async def test_what_came_meanwhile_is_company_as_soon_as_it_is_seen(shell: Shell) -> None:
    shell.log(FIRST, LOG)
    starts = starts_over(shell)
    seen = snapshot(FIRST)
    await refresh(starts, seen)
    assert seen.reading is not None
    stranger = ProcessReading(99, 100_500, "S", "python3", "", None, seen.reading.processes[0].bytes_by_gpu)
    crowded = replace(seen.reading, processes=(*seen.reading.processes, stranger))
    assert starts.came_up(crowded)["llama"].company == "a process of no service was there"
