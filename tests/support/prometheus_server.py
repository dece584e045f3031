"""Debian's own Prometheus server on loopback, scraping exporters that this process plays."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROMETHEUS = shutil.which("prometheus")
MISSING = "" if PROMETHEUS else "there is no Prometheus server on this machine (apt-get install prometheus)"
START_SECONDS = 30.0


@dataclass(slots=True)
class Exporters:
    """Pages by path, each a target of its own; take one away and its target is down."""

    port: int = 0
    pages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """Where it listens."""

    url: str

    def queries(self) -> int:
        """Instant queries it has answered so far, whatever it answered, by its own count."""
        counted = re.compile(r'prometheus_http_requests_total\{[^}]*handler="/api/v1/query"\} (\d+)')
        return sum(map(int, counted.findall(self.get("/metrics"))))

    def until_scraped(self, targets: int) -> None:
        """Wait until that many targets are up."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = json.loads(self.get("/api/v1/targets?state=active"))["data"]["activeTargets"]
            if sum(target["health"] == "up" for target in found) == targets:
                return
            assert time.monotonic() < deadline, [(target["scrapeUrl"], target["lastError"]) for target in found]

    def get(self, path: str) -> str:
        """The text of one of its pages."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text


@contextmanager
def exporters(pages: Mapping[str, str]) -> Iterator[Exporters]:
    """Serve these pages until the end of the block."""
    played = Exporters(pages=dict(pages))

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = played.pages.get(self.path, "").encode()
            self.send_response(200 if body else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            with suppress(ConnectionError):  # the server that scraped has ended
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        played.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield played
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus_server(folder: Path, played: Exporters) -> Iterator[PrometheusServer]:
    """Scrape every page, as a target whose ``instance`` is the page's name, until the end of the block."""
    assert PROMETHEUS
    targets = "".join(
        f"      - targets: ['127.0.0.1:{played.port}']\n"
        f"        labels: {{__metrics_path__: '{path}', instance: '{path.strip('/')}'}}\n"
        for path in played.pages
    )
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n"
        f"scrape_configs:\n  - job_name: gpus\n    static_configs:\n{targets}"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if "Server is ready" in line:
                break
        else:
            raise AssertionError("".join(said))
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield PrometheusServer(f"http://127.0.0.1:{port}")
        process.terminate()
        process.wait(timeout=START_SECONDS)
        drain.join()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
