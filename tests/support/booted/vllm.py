#!/usr/bin/python3
"""Plays ``vllm serve`` on a booted host: checks free memory, allocates, refuses, serves HTTP.

It holds memory by writing what the driver's files would say. A file /srv/faults/NAME with a word in it makes the model
of that served name go wrong: ``hang`` (it never serves), ``crash`` (it ends while it loads), ``die`` (it ends soon
after it served), ``linger`` (it takes seconds to end).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SYS = Path("/srv/gpus/sys")
KFD = SYS / "class/kfd/kfd"
RENDER = Path("/dev/dri")
HOSTS_PROC = Path("/host/proc")
"""The host's processes, as a container sees them that is shown them."""
LONGEST = 40_000
"""Tokens its cache holds, whatever its share."""


def options() -> argparse.Namespace:
    """What the unit says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("serve")
    parser.add_argument("model")
    parser.add_argument("--served-model-name")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--gpu-memory-utilization", type=float, default=0.9)
    parser.add_argument("--max-model-len", type=int, default=8192)
    return parser.parse_args()


def gpu() -> tuple[str, Path]:
    """gpu_id and PCI device of the first GPU shown to us."""
    shown = os.environ.get("ROCR_VISIBLE_DEVICES", "").split(",")[0]
    for node in sorted((KFD / "topology/nodes").iterdir(), key=lambda node: int(node.name)):
        properties = dict(line.split() for line in (node / "properties").read_text().splitlines())
        gpu_id = (node / "gpu_id").read_text().strip()
        given = not RENDER.exists() or (RENDER / f"renderD{properties.get('drm_render_minor')}").exists()
        if gpu_id != "0" and given and shown in ("", f"GPU-{int(properties['unique_id']):016x}"):
            location = int(properties["location_id"])
            return gpu_id, SYS / f"bus/pci/devices/0000:{location >> 8:02x}:{location >> 3 & 31:02x}.0"
    sys.exit("RuntimeError: No HIP GPUs are available")


def host_pid() -> str:
    """Our process by the number the driver knows; a container has numbers of its own."""
    proc = HOSTS_PROC if HOSTS_PROC.exists() else Path("/proc")
    return proc.joinpath("self").readlink().name


def say(line: str) -> None:
    """Into the journal, as the engine logs."""
    print(f"INFO 11-21 09:00:00 [gpu_worker.py:1] {line}", flush=True)


def measured(text: str) -> None:
    """Into the journal, as a process that is told apart: its name in colour."""
    print(f"\x1b[36m(EngineCore_0 pid={os.getpid()})\x1b[0;0m INFO 11-21 09:00:00 [gpu_worker.py:1] {text}", flush=True)


def load(name: str, share: float, length: int) -> None:
    """Take the memory, or refuse as the engine does."""
    gpu_id, device = gpu()
    total = int((device / "mem_info_vram_total").read_text())
    free = total - int((device / "mem_info_vram_used").read_text())
    if free < share * total:
        sys.exit(
            f"ValueError: Free memory on device ({free / 2**30:.2f}/{total / 2**30:.2f} GiB) on startup is less than "
            f"desired GPU memory utilization ({share}, {share * total / 2**30:.2f} GiB)."
        )
    say("vLLM API server version 0.9.2")
    process = KFD / "proc" / host_pid()
    process.mkdir()
    for part in (0.25, 0.5, 1.0):
        time.sleep(0.1)
        (process / f"vram_{gpu_id}").write_text(f"{round(part * share * total)}\n")
        if fault(name) == "crash":
            sys.exit("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB.")
    measured("Model loading took 15.2700 GiB and 0.300000 seconds")
    if length > LONGEST:
        sys.exit(
            f"ValueError: The model's max seq len ({length}) is larger than the maximum number of tokens that can be "
            f"stored in KV cache ({LONGEST}). Try increasing `gpu_memory_utilization` or decreasing `max_model_len`."
        )
    measured(f"Available KV cache memory: {share * total / 2**30 - 20:.2f} GiB")
    say(f"GPU KV cache size: {LONGEST:,} tokens")
    say(f"Maximum concurrency for {length:,} tokens per request: {LONGEST / length:.2f}x")


def fault(name: str) -> str:
    """What is to go wrong."""
    file = Path("/srv/faults", name)
    return file.read_text().strip() if file.exists() else ""


def end(name: str) -> None:
    """At once, or after a while."""
    time.sleep(5 if fault(name) == "linger" else 0)
    sys.exit(0)


class Endpoint(BaseHTTPRequestHandler):
    """The engine's HTTP."""

    model = ""

    def do_GET(self) -> None:
        """Health, metrics, the model's name."""
        pages = {
            "/health": "",
            "/version": '{"version": "0.9.2"}',
            "/v1/models": json.dumps({"data": [{"id": self.model}]}),
            "/metrics": 'vllm:num_requests_running{model_name="x"} 0\nvllm:num_requests_waiting{model_name="x"} 0\n'
            'vllm:gpu_cache_usage_perc{model_name="x"} 0.1\n',
        }
        self._answer(200 if self.path in pages else 404, pages.get(self.path, ""))

    def do_POST(self) -> None:
        """One token."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, '{"choices": [{"text": "a"}], "usage": {"completion_tokens": 1}}')

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def main() -> None:
    """Load and serve."""
    asked = options()
    name = asked.served_model_name
    load(name, asked.gpu_memory_utilization, asked.max_model_len)
    while fault(name) == "hang":
        time.sleep(0.1)
    signal.signal(signal.SIGTERM, lambda *_: end(name))
    Endpoint.model = name
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), Endpoint)
    server.timeout = 0.1
    say("Application startup complete.")
    served = time.monotonic()
    while fault(name) != "die" or time.monotonic() < served + 1:
        server.handle_request()
    sys.exit("RuntimeError: HIP error: an illegal memory access was encountered")


main()
