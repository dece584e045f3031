"""How vLLM starts: import, load, profile, size and allocate the cache, capture graphs, serve."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleet.estimate import Refusal
from fleet.estimate.vllm import refusals
from fleet.estimate.vllm.versions import Generation, era
from fleet.simulator.cards import Card
from fleet.simulator.engine import Api, Exit, Headroom, Launch, Serving, Steps
from fleet.simulator.memory import OutOfMemory
from fleet.simulator.truths import VLLM, VllmTruth
from fleet.simulator.vllm_says import Profile, Voice, out_of_memory
from fleet.simulator.vllm_settings import BLOCK, Settings, Unacceptable, UsageMistake, settings
from fleet.units import GiB

_ALLOCATED = 0.12
"""Share of the load time in which vLLM has created all its weight tensors, before it reads the files."""
_SWAP_BYTES = 4 * GiB
_SHARDS = 4
_TENSOR_BYTES = GiB
"""No single allocation is larger."""
_SPAWNED = "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=13, pipe_handle=15)"


def start(launch: Launch) -> Steps:
    """One start of ``vllm serve``."""
    yield 5.0
    source = launch.argv[2] if launch.argv[1:2] == ("serve",) and len(launch.argv) > 2 else ""
    source = str(launch.arguments.get("model", source))
    voice = Voice(launch, v0=era(launch.version, "amd").generation is Generation.V0)
    voice.info("__init__.py:243", "Automatically detected platform rocm.")
    voice.info("api_server.py:1289", f"vLLM API server version {launch.version}")
    truth = VLLM.get(source)
    if truth is None:
        voice.refused(
            "OSError",
            f"{source} is not a local folder and is not a valid model identifier listed on "
            "'https://huggingface.co/models'",
        )
        raise Exit(1)
    chosen = _configured(launch, voice, truth)
    yield 3.0
    engine = _Engine(launch, voice, source, truth, chosen)
    try:
        return (yield from engine.start())
    except OutOfMemory as error:
        device = launch.cards.index(error.card)
        voice.died("torch.OutOfMemoryError", out_of_memory(error, device))
        raise Exit(1) from error


def _configured(launch: Launch, voice: Voice, truth: VllmTruth) -> Settings:
    try:
        chosen = settings(launch.arguments, truth, launch.version, launch.on_host[0].accelerator)
    except UsageMistake as mistake:
        voice.usage(str(mistake))
        raise Exit(2) from mistake
    except Unacceptable as refusal:
        voice.refused("ValueError", str(refusal))
        raise Exit(1) from refusal
    if not launch.cards:
        voice.refused("RuntimeError", "No HIP GPUs are available")
        raise Exit(1)
    if chosen.tensor_parallel > len(launch.cards):
        voice.refused(
            "AssertionError",
            f"please set tensor_parallel_size ({chosen.tensor_parallel}) to less than max local gpu count "
            f"({len(launch.cards)})",
        )
        raise Exit(1)
    return chosen


@dataclass(slots=True)
class _Rank:
    """One worker process on its GPU, and what it saw of the GPU's memory on the way. Sizes in bytes."""

    pid: int
    card: Card
    free_at_start: int = 0
    weights_seen: int = 0
    """What left the free memory while the weights were loaded, whoever took it."""
    cache: int = 0


class _Engine:
    """The engine's own processes during one start."""

    def __init__(self, launch: Launch, voice: Voice, source: str, truth: VllmTruth, chosen: Settings) -> None:
        self._launch = launch
        self._voice = voice
        self._source = source
        self._truth = truth
        self._chosen = chosen
        self._weights = chosen.weights(truth)
        self._non_torch = launch.about(truth.non_torch, 0.03)
        self._peak = launch.about(chosen.peak(truth), 0.004)
        self._graphs = 0 if chosen.eager else launch.about(truth.graphs, 0.03)
        self._ranks: list[_Rank] = []
        self._blocks = 0
        self._warmed = 0

    def start(self) -> Steps:
        """From the engine's first process to its first request. Raises OutOfMemory and Exit."""
        self._greet()
        self._open()
        yield 2.0
        self._check_free()
        yield from self._load()
        began = self._launch.elapsed
        yield from self._profile()
        yield from self._allocate()
        yield from self._capture()
        self._warm_up()
        self._voice.info(
            "llm_engine.py:428" if self._chosen.v0 else "core.py:160",
            f"init engine (profile, create kv cache, warmup model) took {self._launch.elapsed - began:.2f} seconds",
        )
        yield 1.0
        port = self._launch.arguments.get("port", 8000)
        self._voice.info("api_server.py:1336", f"Starting vLLM API server on http://0.0.0.0:{port}")
        self._voice.bare(f"INFO:     Started server process [{self._launch.pid}]")
        self._voice.bare("INFO:     Waiting for application startup.")
        self._voice.bare("INFO:     Application startup complete.")
        return self._serving()

    def _greet(self) -> None:
        chosen = self._chosen
        if not chosen.v0:
            self._voice.info(
                "core.py:58",
                f"Initializing a V1 LLM engine (v{chosen.version}) with config: model='{self._source}', "
                f"max_seq_len={chosen.max_model_len}, tensor_parallel_size={chosen.tensor_parallel}",
            )
            return
        if chosen.chunked:
            self._voice.info(
                "config.py:2089",
                f"Chunked prefill is enabled with max_num_batched_tokens={chosen.batched_tokens}.",
            )
        self._voice.info(
            "llm_engine.py:230",
            f"Initializing a V0 LLM engine (v{chosen.version}) with config: model='{self._source}', "
            f"max_seq_len={chosen.max_model_len}, tensor_parallel_size={chosen.tensor_parallel}, "
            f"enforce_eager={chosen.eager}",
        )

    def _open(self) -> None:
        several = self._chosen.tensor_parallel > 1
        for number, card in enumerate(self._launch.cards[: self._chosen.tensor_parallel]):
            name, command = self._title(number, several)
            rank = _Rank(self._launch.worker(name, command, card), card)
            rank.free_at_start = self._launch.memory.free(card)
            self._ranks.append(rank)

    def _title(self, number: int, several: bool) -> tuple[str, tuple[str, ...]]:
        if self._chosen.v0:
            return "python3", ("/opt/vllm/bin/python3", "-c", _SPAWNED, "--multiprocessing-fork")
        title = f"VLLM::Worker_TP{number}" if several else "VLLM::EngineCore"
        return title, (title,)

    def _check_free(self) -> None:
        if not self._chosen.era.checks_free_memory:
            return
        for number, rank in enumerate(self._ranks):
            requested = rank.card.total_bytes * self._chosen.utilization
            if rank.free_at_start < requested:
                self._refuse(
                    refusals.not_enough_free(
                        self._chosen.era,
                        rank=number,
                        free=rank.free_at_start,
                        total=rank.card.total_bytes,
                        utilization=self._chosen.utilization,
                        requested=round(requested),
                    )
                )

    def _load(self) -> Generator[float, None, None]:
        self._voice.info("model_runner.py:1170", f"Starting to load model {self._source}...")
        seconds = self._truth.load_seconds / self._chosen.tensor_parallel**0.5
        began = self._launch.elapsed
        before = {rank.pid: self._launch.memory.free(rank.card) for rank in self._ranks}
        for size in _parts(self._weights, 5):
            self._take(size)
            yield seconds * _ALLOCATED / 5
        self._voice.shards(0, _SHARDS)
        for done in range(1, _SHARDS + 1):
            yield seconds * (1 - _ALLOCATED) / _SHARDS
            self._voice.shards(done, _SHARDS)
        for rank in self._ranks:
            rank.weights_seen = before[rank.pid] - self._launch.memory.free(rank.card)
        took = self._launch.elapsed - began
        self._voice.info("default_loader.py:280", f"Loading weights took {took:.2f} seconds")
        for number, rank in enumerate(self._ranks):
            self._voice.loaded(rank.weights_seen, took + 0.41, self._speaker(number))

    def _profile(self) -> Generator[float, None, None]:
        seconds = 2.0 + self._chosen.batched_tokens / 8192
        self._take(self._non_torch)
        self._take(self._peak)
        yield seconds
        self._give(self._peak)
        measured = [self._measure(rank, seconds) for rank in self._ranks]
        for number, profile in enumerate(measured):
            total = self._ranks[number].card.total_bytes
            self._voice.profiled(self._chosen, total, profile, self._speaker(number))
        self._size(min(profile.cache for profile in measured))

    def _measure(self, rank: _Rank, seconds: float) -> Profile:
        """What is left for the cache by what the engine saw: a neighbour's changes count as its own."""
        free = self._launch.memory.free(rank.card)
        if free >= rank.free_at_start:
            self._refuse_shrunk(rank, free)
        non_torch = rank.free_at_start - free - self._weights
        total = rank.card.total_bytes
        spent = rank.weights_seen + non_torch + self._peak
        if self._chosen.era.graphs_in_budget:
            spent += self._graphs
        cache = round(total * self._chosen.utilization - spent)
        return Profile(seconds, rank.weights_seen, non_torch, self._peak, cache)

    def _refuse_shrunk(self, rank: _Rank, free: int) -> None:
        total = rank.card.total_bytes
        if self._chosen.v0:
            self._die(
                "AssertionError",
                f"Error in memory profiling. Initial used memory {total - rank.free_at_start}, currently "
                f"used memory {total - free}. This happens when the GPU memory was not properly cleaned up "
                "before initializing the vLLM instance.",
            )
        self._die(
            "AssertionError",
            f"Error in memory profiling. Initial free memory {rank.free_at_start / GiB:.2f} GiB, current "
            f"free memory {free / GiB:.2f} GiB. This happens when other processes sharing the same container "
            "release GPU memory while vLLM is profiling during initialization. To fix this, ensure "
            "consistent GPU memory allocation or isolate vLLM in its own container.",
        )

    def _size(self, cache: int) -> None:
        """Refuse, or settle the number of blocks."""
        block = self._chosen.block_bytes(self._truth)
        self._blocks = max(0, cache // block)
        length = self._chosen.max_model_len
        tokens = self._blocks * BLOCK
        if self._chosen.v0:
            self._voice.info(
                "executor_base.py:112", f"# rocm blocks: {self._blocks}, # CPU blocks: {_SWAP_BYTES // block}"
            )
            self._voice.info(
                "executor_base.py:117",
                f"Maximum concurrency for {length} tokens per request: {tokens / length:.2f}x",
            )
        if self._blocks == 0:
            self._refuse(refusals.no_cache_memory(self._chosen.era))
        if tokens < length:
            self._refuse(
                refusals.sequence_too_long(
                    self._chosen.era,
                    length=length,
                    tokens=tokens,
                    needed=-(-length // BLOCK) * block,
                    available=cache,
                    longest=tokens,
                )
            )
        if not self._chosen.v0:
            self._voice.sized(tokens, length)

    def _allocate(self) -> Generator[float, None, None]:
        self._take(self._blocks * self._chosen.block_bytes(self._truth))
        yield 1.5

    def _capture(self) -> Generator[float, None, None]:
        if self._chosen.eager:
            return
        if self._chosen.v0:
            self._voice.info(
                "model_runner.py:1526",
                "Capturing cudagraphs for decoding. This may lead to unexpected consequences if the model is "
                "not static. To run the model in eager mode, set 'enforce_eager=True' or use "
                "'--enforce-eager' in the CLI. If out-of-memory error occurs during cudagraph capture, "
                "consider decreasing `gpu_memory_utilization` or switching to eager mode. You can also "
                "reduce the `max_num_seqs` as needed to decrease memory usage.",
            )
        seconds = 8.0 + 8.0 * self._graphs / GiB
        for size in _parts(self._graphs, 4):
            self._take(size)
            yield seconds / 4
        where = "model_runner.py:1684" if self._chosen.v0 else "gpu_model_runner.py:2010"
        took = f"Graph capturing finished in {seconds:.0f} secs, took {self._graphs / GiB:.2f} GiB"
        for number in range(len(self._ranks)):
            self._voice.info(where, took, self._speaker(number))

    def _warm_up(self) -> None:
        """The V1 engine samples for a full batch once, and its allocator keeps what that took."""
        if self._chosen.v0:
            return
        self._warmed = min(self._peak, self._chosen.sampling(self._truth))
        try:
            self._take(self._warmed)
        except OutOfMemory:
            self._die(
                "RuntimeError",
                f"CUDA out of memory occurred when warming up sampler with {self._chosen.sequences} dummy "
                "requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing "
                "the engine.",
            )

    def _serving(self) -> Serving:
        return Serving(
            api=Api.VLLM,
            model=str(self._launch.arguments.get("served-model-name", self._source)),
            traffic=self._truth.traffic,
            cards=tuple(rank.card for rank in self._ranks),
            batch=self._chosen.sequences,
            kv_tokens=self._blocks * BLOCK,
            longest=self._chosen.max_model_len,
            headroom=tuple(Headroom(rank.pid, rank.card, self._peak - self._warmed) for rank in self._ranks),
        )

    def _speaker(self, number: int) -> str:
        return self._voice.speaker(number, self._ranks[number].pid, several=len(self._ranks) > 1)

    def _take(self, size: int) -> None:
        for piece in _parts(size, 1 + size // _TENSOR_BYTES):
            for rank in self._ranks:
                self._launch.memory.take(rank.pid, rank.card, piece)

    def _give(self, size: int) -> None:
        for rank in self._ranks:
            self._launch.memory.give(rank.pid, rank.card, size)

    def _refuse(self, refusal: Refusal) -> None:
        self._die("ValueError", refusal.sentence)

    def _die(self, kind: str, sentence: str) -> None:
        self._voice.died(kind, sentence)
        raise Exit(1)


def _parts(size: int, number: int) -> Sequence[int]:
    """The size in so many parts that add up to it."""
    edges = [size * step // number for step in range(number + 1)]
    return [high - low for low, high in pairwise(edges)]
