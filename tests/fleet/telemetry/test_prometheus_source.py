"""The Prometheus source publishes honest links: whatever the server does, and whatever it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from exporter_pages import amd_page
from prometheus_client.parser import text_string_to_metric_families
from stub_prometheus import Reply, Stub, stub, vector_body

from fleet.inventory import Host, Inventory, Prometheus
from fleet.readings import HostSnapshot, Link
from fleet.telemetry.board import Board
from fleet.telemetry.prometheus import queries
from fleet.telemetry.prometheus.source import PrometheusSource

HOSTS = ("gpu01", "gpu02")
NOW = 1_790_000_000.0
NONE = vector_body([])
ALL = dict.fromkeys(range(8), 1_000)


class Clock:
    """Monotonic seconds that a test moves."""

    now = 500.0

    def __call__(self) -> float:
        return self.now


def pages(ages: Mapping[str, float], used: Mapping[int, int] = ALL) -> Any:
    """What the server answers when it scraped these hosts that many seconds ago."""
    values: list[Any] = []
    times: list[Any] = []
    for host, age in ages.items():
        for family in text_string_to_metric_families(amd_page(host, used)):
            for sample in family.samples:
                values.append({"metric": dict(sample.labels, __name__=sample.name), "value": [NOW, str(sample.value)]})
                times.append({"metric": sample.labels, "value": [NOW, str(NOW - age)]})
    bodies = {queries.values({}): vector_body(values), queries.times({}): vector_body(times), queries.buckets({}): NONE}
    return lambda query: (200, bodies[query])


@asynccontextmanager
async def watched(reply: Any) -> AsyncIterator[tuple[Stub, Board, Clock]]:
    board, clock = Board(), Clock()
    async with stub(reply) as serving:
        server = Prometheus(serving.url)
        inventory = Inventory("test", tuple(Host(name, "", "MI300X", 8) for name in HOSTS), (), prometheus=server)
        source = PrometheusSource(inventory, server, board.publish, interval=0.01, clock=clock)
        task = asyncio.create_task(source.run())
        try:
            yield serving, board, clock
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def seen(board: Board, host: str, link: Link) -> HostSnapshot:
    return await board.until(host, lambda snapshot: snapshot.link is link, 10)


async def test_a_reading_is_as_old_as_its_sample() -> None:
    async with watched(pages({"gpu01": 20, "gpu02": 100})) as (_, board, _):
        first = await seen(board, "gpu01", Link.LIVE)
        assert (first.read_at, first.reason) == (480.0, "")
        second = await seen(board, "gpu02", Link.STALE)
        assert (second.read_at, second.reason) == (400.0, "Prometheus has not scraped gpu02 for more than 90 s.")
        assert second.reading is not None
        assert not second.reading.processes


async def test_a_host_that_disappears_is_stale_and_then_lost_and_comes_back() -> None:
    both = pages({"gpu01": 5, "gpu02": 5})
    async with watched(both) as (serving, board, clock):
        await seen(board, "gpu02", Link.LIVE)
        serving.reply = pages({"gpu01": 5})
        stale = await seen(board, "gpu02", Link.STALE)
        assert stale.reason == "Prometheus has no GPU of gpu02 now."
        assert stale.reading is not None
        clock.now += 100
        lost = await seen(board, "gpu02", Link.LOST)
        assert lost.read_at == 495.0
        serving.reply = both
        await seen(board, "gpu02", Link.LIVE)


async def test_a_host_never_seen_is_unreachable() -> None:
    async with watched(pages({"gpu01": 5})) as (_, board, _):
        assert (await seen(board, "gpu02", Link.UNREACHABLE)).reason == "Prometheus has no GPU of gpu02 now."


async def test_a_server_that_fails_makes_every_host_stale_then_lost_with_the_reason() -> None:
    good = pages({"gpu01": 5, "gpu02": 5})
    async with watched(good) as (serving, board, clock):
        for host in HOSTS:
            await seen(board, host, Link.LIVE)
        failures: Sequence[Reply] = [(503, b"starting"), (422, b'{"status":"error","error":"too much"}'), None]
        for failure in failures:
            serving.reply = lambda _, failure=failure: failure  # type: ignore[misc]
            for host in HOSTS:
                assert (await seen(board, host, Link.STALE)).reason.startswith("Prometheus at http://127.0.0.1:")
            serving.reply = good
            for host in HOSTS:
                await seen(board, host, Link.LIVE)
        serving.reply = lambda _: (500, b"")
        clock.now += 200
        for host in HOSTS:
            await seen(board, host, Link.LOST)


async def test_a_server_that_never_answers_leaves_hosts_unreachable() -> None:
    async with watched(lambda _: (404, b"not here")) as (_, board, _):
        reason = (await seen(board, "gpu01", Link.UNREACHABLE)).reason
    assert reason.endswith("answers HTTP 404. Is its URL that of a Prometheus server?")


async def test_a_host_that_is_left_is_published_no_more() -> None:
    board, clock = Board(), Clock()
    async with stub(pages({"gpu01": 5, "gpu02": 5})) as serving:
        server = Prometheus(serving.url)
        inventory = Inventory("test", tuple(Host(name, "", "MI300X", 8) for name in HOSTS), (), prometheus=server)
        source = PrometheusSource(inventory, server, board.publish, interval=0.01, clock=clock)
        task = asyncio.create_task(source.run())
        first = await seen(board, "gpu02", Link.LIVE)
        assert first.reading is not None
        source.leave("gpu02")
        theirs = HostSnapshot("gpu02", Link.LIVE, reason="mine")
        board.publish(theirs)
        later = first.reading.sequence + 3
        await board.until("gpu01", lambda found: bool(found.reading and found.reading.sequence >= later), 10)
        assert board.latest("gpu02") == theirs
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
