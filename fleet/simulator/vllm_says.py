"""What vLLM prints while it starts, line by line as its loggers print it: 0.9.0, and what later versions changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from fleet.simulator.engine import Launch
from fleet.simulator.memory import OutOfMemory
from fleet.simulator.vllm_settings import Settings
from fleet.units import GiB, MiB, count

_PACKAGES = "/opt/vllm/lib/python3.12/site-packages/vllm"


class Voice:
    """One engine's log."""

    def __init__(self, launch: Launch, v0: bool) -> None:
        self._launch = launch
        self._v0 = v0

    def info(self, where: str, text: str, speaker: str = "") -> None:
        """An INFO message; every line of it carries the prefix, behind the name of the process that speaks."""
        self._logged("INFO", where, text, speaker)

    def bare(self, text: str) -> None:
        """A line written past the loggers."""
        self._launch.print(text)

    def _logged(self, level: str, where: str, text: str, speaker: str = "") -> None:
        stamp = f"{datetime.fromtimestamp(self._launch.now(), UTC):%m-%d %H:%M:%S}"
        for line in text.split("\n"):
            self._launch.print(f"{speaker}{level} {stamp} [{where}] {line}")

    def speaker(self, rank: int, pid: int, *, several: bool) -> str:
        """How the lines of a rank's process begin; those of a process that is not told apart begin with nothing."""
        release = self._launch.version.release
        if self._v0:
            return f"(VllmWorkerProcess pid={pid}) " if rank else ""
        if several:
            name = f"Worker_TP{rank}" if release >= (0, 10, 2) else f"VllmWorker rank={rank}"
        elif release < (0, 10):
            return ""
        else:
            name = "EngineCore" if release >= (0, 16) else "EngineCore_DP0"
        return f"({name} pid={pid}) "

    def loaded(self, size: int, seconds: float, speaker: str) -> None:
        """What a process's weights take."""
        memory = f"{size / GiB:.2f} GiB memory" if self._launch.version.release >= (0, 14) else f"{size / GiB:.4f} GiB"
        self.info("model_runner.py:1202", f"Model loading took {memory} and {seconds:.6f} seconds", speaker)

    def sized(self, tokens: int, length: int) -> None:
        """The V1 engine's cache; one line from 0.28."""
        size = f"GPU KV cache size: {count(tokens)} tokens"
        concurrency = f"Maximum concurrency for {count(length)} tokens per request: {tokens / length:.2f}x"
        if self._launch.version.release >= (0, 28):
            self.info("kv_cache_utils.py:2327", f"{size}, {concurrency}")
        else:
            self.info("kv_cache_utils.py:715", size)
            self.info("kv_cache_utils.py:719", concurrency)

    def usage(self, mistake: str) -> None:
        """The command line's parser gives up."""
        self.bare("usage: vllm serve [model_tag] [options]")
        self.bare(f"vllm serve: error: {mistake}")

    def refused(self, kind: str, sentence: str) -> None:
        """An exception in the process that reads the configuration."""
        self._traceback(f"{_PACKAGES}/engine/arg_utils.py", "create_engine_config", f"{kind}: {sentence}")

    def died(self, kind: str, sentence: str) -> None:
        """An exception in the engine's own process: its traceback twice, then the server's, as in life."""
        where, file, caller = (
            ("engine.py:458", f"{_PACKAGES}/engine/multiprocessing/engine.py", "run_mp_engine")
            if self._v0
            else ("core.py:396", f"{_PACKAGES}/v1/engine/core.py", "run_engine_core")
        )
        self._logged("ERROR", where, sentence if self._v0 else "EngineCore failed to start.")
        for line in _traceback_lines(file, caller, f"{kind}: {sentence}"):
            self._logged("ERROR", where, line)
        self.bare("Process SpawnProcess-1:" if self._v0 else "Process EngineCore_0:")
        self._traceback(file, caller, f"{kind}: {sentence}")
        self._traceback(
            f"{_PACKAGES}/entrypoints/openai/api_server.py",
            "build_async_engine_client",
            "RuntimeError: Engine process failed to start. See stack trace for the root cause."
            if self._v0
            else "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        )

    def _traceback(self, file: str, caller: str, last: str) -> None:
        for line in _traceback_lines(file, caller, last):
            self.bare(line)

    def shards(self, done: int, of: int) -> None:
        """A step of the progress bar of the checkpoint's files."""
        self.bare(
            f"Loading safetensors checkpoint shards: {100 * done // of:3d}% Completed | {done}/{of} "
            f"[{_clock(self._launch.elapsed)}]"
        )

    def profiled(self, settings: Settings, total: int, parts: Profile, speaker: str) -> None:
        """The memory lines of one rank: all parts of the V0 engine, the cache alone of V1."""
        if not settings.v0:
            self.info("gpu_worker.py:227", f"Available KV cache memory: {parts.cache / GiB:.2f} GiB", speaker)
            return
        budget = total * settings.utilization
        self.info(
            "worker.py:303",
            f"Memory profiling takes {parts.seconds:.2f} seconds\n"
            f"the current vLLM instance can use total_gpu_memory ({total / GiB:.2f}GiB) x "
            f"gpu_memory_utilization ({settings.utilization:.2f}) = {budget / GiB:.2f}GiB\n"
            f"model weights take {parts.weights / GiB:.2f}GiB; non_torch_memory takes "
            f"{parts.non_torch / GiB:.2f}GiB; PyTorch activation peak memory takes "
            f"{parts.peak / GiB:.2f}GiB; the rest of the memory reserved for KV Cache is "
            f"{parts.cache / GiB:.2f}GiB.",
            speaker,
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """What the profile run measured on one GPU, in bytes."""

    seconds: float
    """How long it took."""
    weights: int
    non_torch: int
    peak: int
    cache: int
    """What is left of the budget."""


def out_of_memory(error: OutOfMemory, device: int) -> str:
    """PyTorch's sentence for an allocation that failed; ``device`` is the process's own number of the GPU."""
    wanted = f"{error.wanted / GiB:.2f} GiB" if error.wanted >= GiB else f"{error.wanted / MiB:.2f} MiB"
    return (
        f"HIP out of memory. Tried to allocate {wanted}. GPU {device} has a total capacity of "
        f"{error.card.total_bytes / GiB:.2f} GiB of which {error.free / GiB:.2f} GiB is free. "
        f"Of the allocated memory {error.own / GiB:.2f} GiB is allocated by PyTorch, and 38.12 MiB is "
        "reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting "
        "PYTORCH_HIP_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for "
        "Memory Management  (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)"
    )


def _traceback_lines(file: str, caller: str, last: str) -> list[str]:
    return ["Traceback (most recent call last):", f'  File "{file}", in {caller}', last]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
