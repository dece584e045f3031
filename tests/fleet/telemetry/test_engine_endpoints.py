"""Endpoints of engines, asked over real HTTP through a real SSH connection, however they behave."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from openssh import MISSING, SshServer, openssh_server
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from web import Web, page, serving

from fleet.model import Arguments, Engine, Model
from fleet.readings import EngineReading, EngineWord, Sleep
from fleet.ssh.connection import HostConnection
from fleet.ssh.http import BODY_LIMIT
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry.engines.asking import BUSY_LOOKS, Asker
from fleet.telemetry.engines.rounds import Rounds

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
FIGURES = 'vllm:num_requests_running{engine="0"} 3.0\nvllm:kv_cache_usage_perc{engine="0"} 0.25\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
async def probe(server: SshServer) -> AsyncIterator[ProbeOnly]:
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", server.ssh_config))
    yield probe
    await probe.close()


def model(web: Web, engine: str = "vllm 0.21.0", name: str = "m", **args: str | int | bool) -> Model:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return Model(name, Engine.parse(engine), url=web.url, args=flags)


async def ask(probe: ProbeOnly, model: Model) -> EngineReading:
    return await Asker(probe, model).ask()


class TestHealth:
    @pytest.mark.parametrize(
        ("engine", "answer", "healthy", "word"),
        [
            ("vllm", page(), True, EngineWord.READY),
            ("vllm", page("", "503 Service Unavailable"), False, EngineWord.DEAD),
            ("llama.cpp", page("{}", "503 Service Unavailable"), False, EngineWord.LOADING),
            ("sglang", page("", "503 Service Unavailable"), False, EngineWord.LOADING),
            ("text-embeddings-inference", page("", "503 Service Unavailable"), False, EngineWord.DEAD),
            ("infinity", page('{"unix": 1.0}'), True, EngineWord.READY),
            ("sglang", page("", "429 Too Many Requests"), True, EngineWord.READY),
            ("vllm", page("", "401 Unauthorized"), True, EngineWord.READY),
            ("vllm", page("", "500 Internal Server Error"), False, None),
            ("vllm", page("", "404 Not Found"), False, None),
            ("whisper", page("", "404 Not Found"), True, EngineWord.READY),
            ("vllm", page("<!doctype html><title>Welcome</title>"), False, None),
            ("vllm", page("", "302 Found", "Location: http://127.0.0.1:9/"), False, None),
            ("vllm", b"SSH-2.0-OpenSSH_9.9\r\n", False, None),
        ],
    )
    async def test_each_engine_means_its_own_by_an_answer(
        self, probe: ProbeOnly, engine: str, answer: bytes, healthy: bool, word: EngineWord | None
    ) -> None:
        async with serving(Web({"/health": answer})) as web:
            reading = await ask(probe, model(web, engine))
        assert (reading.healthy, reading.word) == (healthy, word)

    async def test_nothing_that_listens_is_not_healthy(self, probe: ProbeOnly) -> None:
        async with serving(Web()) as web:
            pass
        assert await ask(probe, model(web)) == EngineReading(healthy=False)

    async def test_busy_is_not_unhealthy_for_a_while(self, probe: ProbeOnly) -> None:
        async def hang(path: str) -> None:
            await asyncio.Event().wait()

        async with serving(Web({"/health": page(), "/metrics": page(FIGURES)})) as web:
            asker = Asker(probe, model(web), deadline=0.2)
            well = await asker.ask()
            web.before = hang
            busy = [await asker.ask() for _ in range(BUSY_LOOKS)]
            gone = await asker.ask()
        assert well.word is EngineWord.READY
        assert {(reading.healthy, reading.word, reading.running) for reading in busy} == {(True, EngineWord.BUSY, 3)}
        assert (gone.healthy, gone.word) == (False, None)

    async def test_what_never_answered_is_not_called_busy(self, probe: ProbeOnly) -> None:
        async def hang(path: str) -> None:
            await asyncio.Event().wait()

        async with serving(Web(before=hang)) as web:
            reading = await Asker(probe, model(web), deadline=0.1).ask()
        assert (reading.healthy, reading.word) == (False, None)


class TestFigures:
    @pytest.mark.parametrize(
        "answer",
        [
            page(FIGURES),
            page(gzip.compress(FIGURES.encode()), "200 OK", "Content-Encoding: gzip"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
            % (len(FIGURES), FIGURES.encode()),
            page(FIGURES.replace("\n", "\r\n")),
        ],
        ids=["plain", "gzip", "chunked", "line ends of DOS"],
    )
    async def test_they_are_read_however_they_are_sent(self, probe: ProbeOnly, answer: bytes) -> None:
        async with serving(Web({"/health": page(), "/metrics": answer})) as web:
            reading = await ask(probe, model(web))
        assert (reading.running, reading.kv_usage) == (3, 0.25)

    @pytest.mark.parametrize(
        "answer",
        [
            page("", "404 Not Found"),
            page("", "401 Unauthorized"),
            page("<html>vllm:num_requests_running 3</html>"),
            page(b"\x1f\x8bno gzip"),
            page(b"\xff\xfe\x00"),
            page(gzip.compress(b"x" * (BODY_LIMIT + 1))),
            page("x" * (BODY_LIMIT + 1)),
        ],
        ids=["absent", "forbidden", "html", "broken", "binary", "bomb", "endless"],
    )
    async def test_without_them_an_engine_is_still_up(self, probe: ProbeOnly, answer: bytes) -> None:
        async with serving(Web({"/health": page(), "/metrics": answer})) as web:
            reading = await ask(probe, model(web))
        assert reading == EngineReading(healthy=True, word=EngineWord.READY)

    async def test_a_redirect_is_followed_to_the_slash_and_nowhere_else(self, probe: ProbeOnly) -> None:
        async with serving(Web()) as elsewhere, serving(Web({"/health": page()})) as web:
            web.pages["/metrics"] = page("", "307 Temporary Redirect", f"Location: {elsewhere.url}/metrics")
            assert (await ask(probe, model(web))).running is None
            web.pages["/metrics/"] = page(FIGURES)
            assert (await ask(probe, model(web))).running == 3
        assert not elsewhere.asked

    async def test_only_health_and_figures_are_asked_of_vllm(self, probe: ProbeOnly) -> None:
        """One of its front ends has no ``/version``."""
        async with serving(Web({"/health": page(), "/metrics": page(FIGURES)})) as web:
            await ask(probe, model(web))
        assert {path.partition("?")[0] for path in web.asked} == {"/health", "/metrics"}

    async def test_rates_come_with_the_second_look(self, probe: ProbeOnly) -> None:
        times = iter((100.0, 104.0))
        async with serving(Web({"/health": page()})) as web:
            asker = Asker(probe, model(web), clock=lambda: next(times))
            web.pages["/metrics"] = page('vllm:generation_tokens_total{engine="0"} 1000.0\n')
            first = await asker.ask()
            web.pages["/metrics"] = page('vllm:generation_tokens_total{engine="0"} 1600.0\n')
            second = await asker.ask()
        assert (first.tokens_per_second, second.tokens_per_second) == (None, 150)

    async def test_an_engine_that_counts_with_the_library_vllm_uses_is_read_right(self, probe: ProbeOnly) -> None:
        registry = CollectorRegistry()
        tokens = Counter("vllm:generation_tokens", "Tokens.", ["engine"], registry=registry).labels("0")
        first = Histogram(
            "vllm:time_to_first_token_seconds", "Time.", ["engine"], registry=registry, buckets=(0.1, 0.5, 1.0)
        ).labels("0")
        times = iter((0.0, 10.0))
        listener, thread = start_http_server(0, "127.0.0.1", registry)
        try:
            url = f"http://127.0.0.1:{listener.server_port}"
            asker = Asker(probe, Model("m", Engine.parse("vllm 0.21.0"), url=url), clock=lambda: next(times))
            first.observe(0.7)
            await asker.ask()
            tokens.inc(420)
            for _ in range(10):
                first.observe(0.3)
            reading = await asker.ask()
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()
        assert reading.tokens_per_second == 42
        assert reading.ttft_p50_seconds == pytest.approx(0.3)

    async def test_the_url_may_be_that_of_its_api(self, probe: ProbeOnly) -> None:
        async with serving(Web({"/health": page(), "/metrics": page(FIGURES)})) as web:
            named = Model("m", Engine.parse("vllm 0.21.0"), url=f"{web.url}/v1/")
            assert (await ask(probe, named)).running == 3

    async def test_a_model_put_to_sleep_says_so(self, probe: ProbeOnly) -> None:
        asleep = FIGURES + "".join(
            f'vllm:engine_sleep_state{{engine="0",sleep_state="{state}"}} {value}\n'
            for state, value in (("awake", 0), ("weights_offloaded", 1), ("discard_all", 0))
        )
        async with serving(Web({"/health": page(), "/metrics": page(asleep)})) as web:
            reading = await ask(probe, model(web, enable_sleep_mode=True))
        assert (reading.healthy, reading.sleep) == (True, Sleep.WEIGHTS_OFFLOADED)
        assert "/is_sleeping" not in web.asked

    @pytest.mark.parametrize(
        ("answer", "sleep"),
        [
            (page('{"is_sleeping": true}'), Sleep.ASLEEP),
            (page('{"is_sleeping": false}'), Sleep.AWAKE),
            (page("", "404 Not Found"), None),
            (page('["is_sleeping"]'), None),
        ],
    )
    async def test_an_older_one_is_asked_where_it_may_sleep(
        self, probe: ProbeOnly, answer: bytes, sleep: Sleep | None
    ) -> None:
        async with serving(Web({"/health": page(), "/metrics": page(FIGURES), "/is_sleeping": answer})) as web:
            assert (await ask(probe, model(web, enable_sleep_mode=True))).sleep is sleep
            web.asked.clear()
            await ask(probe, model(web))
        assert "/is_sleeping" not in web.asked


Listed = tuple[str, str | None, list[str]]


def listed(*models: Listed) -> bytes:
    """A llama.cpp server's list of models: name, status (None: it knows no such word), arguments."""
    return page(
        json.dumps(
            {
                "object": "list",
                "data": [
                    {"id": name} | ({"status": {"value": status, "args": args}} if status else {})
                    for name, status, args in models
                ],
            }
        )
    )


class TestLlamaCpp:
    FIGURES = "llamacpp:requests_processing 2\nllamacpp:tokens_predicted_total 80\n"

    async def test_a_server_of_one_model_tells_its_figures(self, probe: ProbeOnly) -> None:
        pages = {"/health": page(), "/v1/models": listed(("a", None, [])), "/metrics": page(self.FIGURES)}
        async with serving(Web(pages)) as web:
            reading = await ask(probe, model(web, "llama.cpp"))
        assert (reading.running, reading.loaded_models) == (2, ())

    async def test_without_its_flag_it_is_up_and_tells_nothing(self, probe: ProbeOnly) -> None:
        pages = {
            "/health": page(),
            "/v1/models": listed(("a", None, [])),
            "/metrics": page("{}", "501 Not Implemented"),
        }
        async with serving(Web(pages)) as web:
            assert await ask(probe, model(web, "llama.cpp")) == EngineReading(healthy=True, word=EngineWord.READY)

    async def test_of_a_router_only_what_is_loaded_is_asked(self, probe: ProbeOnly) -> None:
        """Asking a router for the figures of a model loads it."""
        models: tuple[Listed, ...] = (
            ("org/a:Q4 K", "loaded", ["llama-server", "-c", "4096"]),
            ("b", "unloaded", []),
            ("c", "sleeping", []),
            ("d", "loading", []),
            ("e", "loaded", ["llama-server"]),
        )
        async with serving(
            Web({"/health": page(), "/v1/models": listed(*models), "/metrics": page(self.FIGURES)})
        ) as web:
            reading = await ask(probe, model(web, "llama.cpp"))
        assert sorted(path for path in web.asked if "metrics" in path) == [
            "/metrics?model=e&autoload=false",
            "/metrics?model=org%2Fa%3AQ4%20K&autoload=false",
        ]
        assert (reading.running, reading.loaded_models, reading.sleep) == (4, ("org/a:Q4 K", "e"), Sleep.AWAKE)

    async def test_what_sleeps_when_idle_is_not_kept_awake(self, probe: ProbeOnly) -> None:
        idle = ["llama-server", "--sleep-idle-seconds", "600"]
        router = Web({"/health": page(), "/v1/models": listed(("a", "loaded", idle)), "/metrics": page(self.FIGURES)})
        single = Web({"/health": page(), "/props": page('{"is_sleeping": true}'), "/metrics": page(self.FIGURES)})
        async with serving(router), serving(single):
            routed = await ask(probe, model(router, "llama.cpp"))
            asleep = await ask(probe, model(single, "llama.cpp", sleep_idle_seconds=600))
        assert (routed.loaded_models, routed.running) == (("a",), None)
        assert (asleep.healthy, asleep.sleep) == (True, Sleep.ASLEEP)
        assert not [path for path in router.asked + single.asked if "metrics" in path]

    @pytest.mark.parametrize(
        "answer", [page("", "404 Not Found"), page("[]"), page("<html>"), page('{"data": [{"id": 7}, 3, null]}')]
    )
    async def test_without_a_list_nothing_is_asked(self, probe: ProbeOnly, answer: bytes) -> None:
        async with serving(Web({"/health": page(), "/v1/models": answer, "/metrics": page(self.FIGURES)})) as web:
            reading = await ask(probe, model(web, "llama.cpp"))
        assert (reading.healthy, reading.running) == (True, None)
        assert "/metrics" not in web.asked

    async def test_names_are_harmless_and_few(self, probe: ProbeOnly) -> None:
        names = ["x" * 1000, *(f"\x1b[31m{n}\ud800\n" for n in range(100))]
        pages = {
            "/health": page(),
            "/v1/models": listed(*((name, "loaded", []) for name in names)),
            "/metrics": page(self.FIGURES),
        }
        async with serving(Web(pages)) as web:
            reading = await ask(probe, model(web, "llama.cpp"))
        assert reading.loaded_models == tuple(str(n) for n in range(16))
        assert reading.running == 32


class TestRounds:
    async def test_a_slow_endpoint_holds_up_no_other(self, probe: ProbeOnly) -> None:
        released = asyncio.Event()

        async def hang(path: str) -> None:
            await released.wait()

        async with serving(Web({"/health": page()}, before=hang)) as slow, serving(Web({"/health": page()})) as quick:
            rounds = Rounds(probe, calm=0)
            models = [model(slow, name="slow"), model(quick, name="quick")]
            seen: list[set[str]] = []
            async with asyncio.TaskGroup() as tasks:
                async for readings in rounds.ask(models, tasks):
                    seen.append(set(readings))
                    released.set()
        assert seen == [{"quick"}, {"slow", "quick"}]

    async def test_an_endpoint_is_not_asked_again_before_it_answered(self, probe: ProbeOnly) -> None:
        released = asyncio.Event()

        async def hang(path: str) -> None:
            await released.wait()

        async with serving(Web({"/health": page()}, before=hang)) as slow:
            rounds = Rounds(probe, calm=0)
            async with asyncio.TaskGroup() as tasks:
                first = rounds.ask([model(slow)], tasks)
                assert await anext(first) == {}
                async for readings in rounds.ask([model(slow)], tasks):
                    assert readings == {}
                released.set()
                assert (await anext(first))["m"].healthy is True
        assert slow.asked.count("/health") == 1

    async def test_what_is_asked_no_more_is_forgotten(self, probe: ProbeOnly) -> None:
        async with serving(Web({"/health": page()})) as web:
            rounds = Rounds(probe, calm=0)
            async with asyncio.TaskGroup() as tasks:
                async for readings in rounds.ask([model(web)], tasks):
                    assert set(readings) == {"m"}
                async for readings in rounds.ask([], tasks):
                    assert readings == {}

    async def test_a_ready_engine_is_left_alone_for_a_while_and_another_is_not(self, probe: ProbeOnly) -> None:
        now = [0.0]
        async with (
            serving(Web({"/health": page()})) as ready,
            serving(Web({"/health": page("", "503 Service Unavailable")})) as loading,
        ):
            rounds = Rounds(probe, calm=5, clock=lambda: now[0])
            models = [model(ready, "whisper", "ready"), model(loading, "whisper", "loading")]
            for now[0] in (0.0, 2.0, 4.0, 6.0):
                async with asyncio.TaskGroup() as tasks:
                    async for readings in rounds.ask(models, tasks):
                        assert readings["ready"].healthy is True
        assert (len(ready.asked), len(loading.asked)) == (2, 4)

    async def test_a_round_without_news_is_silent(self, probe: ProbeOnly) -> None:
        async with serving(Web({"/health": page()})) as web:
            rounds = Rounds(probe, calm=60)
            told = []
            for _ in range(3):
                async with asyncio.TaskGroup() as tasks:
                    told += [readings async for readings in rounds.ask([model(web)], tasks)]
        assert len(told) == 1
