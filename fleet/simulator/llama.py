"""How llama.cpp's server starts: one buffer of weights on each GPU, the cache, the compute buffers, serve."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePosixPath

from fleet.model import Scalar
from fleet.simulator.engine import Api, Exit, Launch, Serving, Steps
from fleet.simulator.memory import OutOfMemory
from fleet.simulator.truths import LLAMA, LlamaTruth
from fleet.units import GiB, MiB

_CELLS = 256
"""The cache's length is a multiple of this."""
_CACHE_BYTES = {"f32": 2.0, "f16": 1.0, "bf16": 1.0, "q8_0": 0.53125, "q5_1": 0.375, "q4_0": 0.28125}
"""Bytes of a cached value over those of f16."""


class _FailedToAllocate(Exception):
    """A buffer did not fit; the message is the server's last word on it."""


def start(launch: Launch) -> Steps:
    """One start of ``llama-server``."""
    launch.ready = True
    yield 0.5
    path = str(launch.arguments.get("model", ""))
    truth = LLAMA.get(PurePosixPath(path).name)
    if truth is None:
        launch.print(f"gguf_init_from_file: failed to open GGUF file '{path}'")
        launch.print(f"llama_model_load: error loading model: llama_model_loader: failed to load model from {path}")
        raise _fail(launch, path)
    if not launch.cards:
        launch.print("ggml_cuda_init: failed to initialize ROCm: no ROCm-capable device is detected")
        raise _fail(launch, path)
    server = _Server(launch, truth)
    try:
        return (yield from server.start())
    except _FailedToAllocate as error:
        launch.print(str(error))
        raise _fail(launch, path) from error


def _fail(launch: Launch, path: str) -> Exit:
    launch.print("llama_model_load_from_file_impl: failed to load model")
    launch.print(f"common_init_from_params: failed to load model '{path}'")
    launch.print(f"srv    load_model: failed to load model, '{path}'")
    launch.print("main: exiting due to model loading error")
    return Exit(1)


class _Server:
    """One start of the server over the GPUs it sees."""

    def __init__(self, launch: Launch, truth: LlamaTruth) -> None:
        self._launch = launch
        self._truth = truth
        self._cards = launch.cards
        if launch.arguments.get("split-mode") == "none":
            self._cards = launch.cards[:1]
        wanted = launch.arguments.get("ctx-size", 0)
        asked = wanted if isinstance(wanted, int) and wanted > 0 else truth.context_length
        self._context = -(-asked // _CELLS) * _CELLS

    def start(self) -> Steps:
        """From the first GPU to the first request. Raises _FailedToAllocate."""
        self._greet()
        try:
            self._launch.open(self._launch.pid, *self._cards)
        except OutOfMemory as error:
            raise _FailedToAllocate("ggml_cuda_init: failed to initialize ROCm: out of memory") from error
        yield 1.0
        rows = self._launch.arguments.get("split-mode") == "row"
        shares = (_by_rows if rows else _by_layers)(self._truth, self._split())
        self._launch.print("load_tensors: loading model tensors, this can take a while... (mmap = true)")
        for number, weights in enumerate(shares):
            yield 0.4
            self._allocate(number, weights.size, "model", "unable to allocate ROCm{} buffer")
        layers = len(self._truth.layers)
        self._launch.print(f"load_tensors: offloading {layers} repeating layers to GPU")
        self._launch.print("load_tensors: offloading output layer to GPU")
        self._launch.print(f"load_tensors: offloaded {layers + 1}/{layers + 1} layers to GPU")
        self._launch.print(f"load_tensors:   CPU_Mapped model buffer size = {self._truth.embedding / MiB:8.2f} MiB")
        for number, weights in enumerate(shares):
            self._buffer("load_tensors", number, "model", weights.size)
        yield self._truth.load_seconds
        yield from self._context_buffers(shares)
        self._launch.print("main: model loaded")
        port = self._launch.arguments.get("port", 8080)
        self._launch.print(f"main: server is listening on http://127.0.0.1:{port}")
        self._launch.print("srv  update_slots: all slots are idle")
        return Serving(
            api=Api.LLAMA,
            model=PurePosixPath(str(self._launch.arguments.get("model"))).name,
            traffic=self._truth.traffic,
            cards=self._cards,
            batch=_count(self._launch.arguments.get("parallel"), 4),
            kv_tokens=self._context,
            longest=self._context,
        )

    def _greet(self) -> None:
        self._launch.print(f"ggml_cuda_init: found {len(self._launch.cards)} ROCm devices:")
        for number, card in enumerate(self._launch.cards):
            self._launch.print(
                f"  Device {number}: AMD Instinct {card.accelerator.name}, gfx942:sramecc+:xnack- (0x942), "
                "VMM: no, Wave Size: 64"
            )
        size = sum(self._truth.layers) + self._truth.output + self._truth.embedding
        self._launch.print("print_info: file type   = Q4_K - Medium")
        self._launch.print(f"print_info: file size   = {size / GiB:.2f} GiB")
        self._launch.print(f"print_info: model params     = {self._truth.parameters}")

    def _split(self) -> list[float]:
        """The operator's own proportions, or those of free memory."""
        said = self._launch.arguments.get("tensor-split")
        try:
            given = [float(part) for part in str(said).split(",")] if said is not None else []
        except ValueError:
            given = []
        if len(given) >= len(self._cards) and sum(given) > 0:
            return given[: len(self._cards)]
        return [float(self._launch.memory.free(card)) for card in self._cards]

    def _context_buffers(self, shares: Sequence[_Share]) -> Generator[float, None, None]:
        kind = str(self._launch.arguments.get("cache-type-k", "f16"))
        per_layer = round(self._truth.kv_token_layer * _CACHE_BYTES.get(kind, 1.0)) * self._context
        self._launch.print(f"llama_context: n_ctx         = {self._context}")
        for number, share in enumerate(shares):
            size = share.layers * per_layer
            self._allocate(number, size, "KV", "failed to allocate buffer for kv cache")
            self._buffer("llama_kv_cache", number, "KV", size)
        yield 1.0
        for number in range(len(shares)):
            size = self._launch.about(self._truth.compute, 0.03)
            self._allocate(number, size, "compute", "failed to allocate compute pp buffers")
            self._buffer("llama_context", number, "compute", size)
        yield 2.0

    def _allocate(self, number: int, size: int, what: str, failure: str) -> None:
        try:
            self._launch.memory.take(self._launch.pid, self._cards[number], size)
        except OutOfMemory as error:
            self._launch.print(
                f"ggml_backend_cuda_buffer_type_alloc_buffer: allocating {size / MiB:.2f} MiB on device "
                f"{number}: cudaMalloc failed: out of memory"
            )
            if what == "model":
                self._launch.print(f"alloc_tensor_range: failed to allocate ROCm{number} buffer of size {size}")
                failure = f"llama_model_load: error loading model: {failure.format(number)}"
            else:
                failure = f"llama_init_from_model: failed to initialize the context: {failure}"
            raise _FailedToAllocate(failure) from error

    def _buffer(self, who: str, number: int, what: str, size: int) -> None:
        self._launch.print(f"{who}:        ROCm{number} {what} buffer size = {size / MiB:8.2f} MiB")


@dataclass(slots=True)
class _Share:
    """What one GPU gets of a model."""

    layers: int = 0
    """Layers whose cache it holds."""
    size: int = 0
    """Bytes of weights."""


def _by_layers(truth: LlamaTruth, split: Sequence[float]) -> list[_Share]:
    """Whole layers in these proportions, the output after the last (llama-model.cpp, ``load_tensors``)."""
    parts = (*truth.layers, truth.output)
    edges = [edge / sum(split) for edge in accumulate(split)]
    found = [_Share() for _ in split]
    for place, size in enumerate(parts):
        at = next((i for i, edge in enumerate(edges) if place / len(parts) < edge), len(edges) - 1)
        found[at].size += size
        found[at].layers += place < len(truth.layers)
    return found


def _by_rows(truth: LlamaTruth, split: Sequence[float]) -> list[_Share]:
    """Every matrix in these proportions; the first GPU holds the whole cache."""
    size = sum(truth.layers) + truth.output
    found = [_Share(0, round(size * part / sum(split))) for part in split]
    found[0].layers = len(truth.layers)
    return found


def _count(value: Scalar, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default
