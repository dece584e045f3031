"""The demo's engines, watched as real ones are."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fleet.inventory.loading import load
from fleet.readings import EngineReading, HostSnapshot
from fleet.simulator.child import start_demo
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.board import Board
from fleet.telemetry.watcher import HostWatcher

CHAT, RERANKER, LARGE = "llama-3.1-8b", "bge-reranker", "mai-ds-r1"


def known(snapshot: HostSnapshot) -> bool:
    """Whether rates came of one engine of each kind, and latencies of the two that have many requests."""
    chat, reranker, large = (snapshot.engines.get(name, EngineReading()) for name in (CHAT, RERANKER, LARGE))
    return None not in (chat.ttft_p95_seconds, reranker.end_to_end_p95_seconds, large.tokens_per_second)


async def test_a_watcher_tells_what_the_demos_engines_do(tmp_path: Path) -> None:
    with start_demo(tmp_path / "demo") as demo:
        await demo.ready()
        inventory = load(demo.fleet_file)
        host, board = inventory.hosts[0], Board()
        connection = HostConnection(host.name, host.address, inventory.ssh_config)
        watcher = HostWatcher(host, inventory.models, ProbeOnly(connection), board.publish, interval=0.2)
        task = asyncio.create_task(watcher.run())
        try:
            seen = await board.until(host.name, known, 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await connection.close()
    chat, reranker, large = (seen.engines[name] for name in (CHAT, RERANKER, LARGE))
    assert 500 < (chat.tokens_per_second or 0) < 2000
    assert 0.1 < (chat.ttft_p95_seconds or 0) < 20
    assert (chat.cache_block_size, chat.cache_dtype, chat.errors) == (16, "auto", 0)
    assert 5 < (reranker.requests_per_second or 0) < 60
    assert large.kv_usage is None, "llama.cpp says nothing of its cache"
    assert all(engine.healthy for engine in seen.engines.values())
