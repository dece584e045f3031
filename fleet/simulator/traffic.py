"""Requests at a serving model: how many are at work, what they hold in cache and memory, and the counters."""

from __future__ import annotations

import random
from math import pi, sin

from fleet.simulator.engine import Headroom, Serving
from fleet.simulator.latency import Latencies
from fleet.simulator.memory import Memory
from fleet.units import MiB

STEP = 1.0
"""Seconds between two looks at the traffic."""
_WAVE_SECONDS, _WAVE = 420.0, 0.22
_HIGHEST = 1.25
"""The largest batches over the mean ones."""
_ARRIVAL_SECONDS = 20.0
"""Time in which clients come back to a model that has just started."""
_LEAST_SHARE = 0.03
"""Share of the activation peak that any batch takes."""
_SEGMENT = 2 * MiB
"""The allocator asks the driver for multiples of this."""
_PROMPT_SHARE = 0.85
"""Of a request's tokens, those of its prompt."""


class Load:
    """The traffic of one serving model."""

    def __init__(self, serving: Serving, memory: Memory, seed: random.Random, started: float) -> None:
        self.serving = serving
        self.running = 0
        self.waiting = 0
        self.cached_tokens = 0
        self.prompt_tokens = 0
        self.generated_tokens = 0
        self.finished = 0
        self.latencies = Latencies(serving.traffic, random.Random(serving.model))
        self._memory = memory
        self._random = seed
        self._started = started
        self._phase = seed.uniform(0, 2 * pi)
        self._level = 0.0
        self._grown: dict[Headroom, int] = dict.fromkeys(serving.headroom, 0)
        self._fraction = 0.0

    @property
    def kv_usage(self) -> float:
        """Share of the cache in use, 0..1."""
        return self.cached_tokens / self.serving.kv_tokens if self.serving.kv_tokens else 0.0

    @property
    def busy(self) -> float:
        """Share of its GPUs' time it takes now, 0..1."""
        mean = self.serving.traffic.requests
        return min(1.0, self.serving.traffic.busy * self._level / mean) if mean else 0.0

    def step(self, now: float, demand: float = 1.0) -> None:
        """Let one `STEP` pass, in which so many times the usual number ask."""
        traffic = self.serving.traffic
        wave = 1 + _WAVE * sin(2 * pi * now / _WAVE_SECONDS + self._phase) + self._random.gauss(0, 0.05)
        come = min(1.0, (now - self._started) / _ARRIVAL_SECONDS)
        self._level += 0.3 * (max(0.0, traffic.requests * demand * wave * come) - self._level)
        wanted = round(self._level)
        room = self._room(traffic.tokens)
        self.running = min(wanted, room)
        self.waiting = wanted - self.running + (self._random.random() < self.kv_usage / 4)
        self._cache(traffic.tokens)
        self._count(traffic.tokens, traffic.tokens_per_second)
        self._grow()

    def serve(self, prompt: int, generated: int) -> None:
        """Count one request that came over HTTP."""
        self.prompt_tokens += prompt
        self.generated_tokens += generated
        self.finished += 1

    def _room(self, tokens: int) -> int:
        if not (self.serving.kv_tokens and tokens):
            return self.serving.batch
        return min(self.serving.batch, max(1, int(self.serving.kv_tokens * 0.95) // tokens))

    def _cache(self, tokens: int) -> None:
        wanted = self.running * min(tokens, self.serving.longest) * self._random.uniform(0.9, 1.1)
        self.cached_tokens += round(0.25 * (min(wanted, self.serving.kv_tokens) - self.cached_tokens))

    def _count(self, tokens: int, per_second: float) -> None:
        generated = self.running * per_second * STEP
        prompt, answer = tokens * _PROMPT_SHARE, max(1.0, tokens * (1 - _PROMPT_SHARE))
        self.generated_tokens += round(generated)
        seconds = self.serving.traffic.request_seconds
        self._fraction += self.running * STEP / seconds if seconds else generated / answer
        done, self._fraction = int(self._fraction), self._fraction % 1
        self.finished += done
        self.prompt_tokens += round(done * prompt)
        self.latencies.tokens(generated)
        self.latencies.requests(done, prompt, answer, self.waiting)

    def _grow(self) -> None:
        """Memory for the batches: the allocator keeps what it once got and stays below the profiled peak."""
        come = self._level / self.serving.traffic.requests
        highest = self.serving.traffic.requests * _HIGHEST * min(1.0, come)
        share = min(1.0, _LEAST_SHARE + highest / self.serving.batch)
        for part, has in self._grown.items():
            wanted = min(part.size * share, has + self._memory.free(part.card))
            more = round(wanted - has) // _SEGMENT * _SEGMENT
            if more > 0:
                self._memory.take(part.pid, part.card, more)
                self._grown[part] = has + more
