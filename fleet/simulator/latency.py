"""How long a simulated engine's requests take, in the histograms engines keep of it."""

from __future__ import annotations

import random
from bisect import bisect_left
from itertools import accumulate
from math import exp

from fleet.simulator.truths import Traffic

_FIRST_TOKEN_EDGES = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
_TOKEN_EDGES = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_REQUEST_EDGES = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0,
    50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
"""Of vLLM, in seconds."""
_SHORT_EDGES = tuple(1e-5 * 1.5**step for step in range(1, 36))
"""Of text-embeddings-inference, in seconds."""
_PREFILL = 300
"""Tokens of a prompt are read so many times faster than tokens are generated."""
_SPREAD, _TOKEN_SPREAD = 0.35, 0.18
"""Of the logarithms."""
_TOKEN_STEPS = tuple(random.Random(0).gauss(0, _TOKEN_SPREAD) for _ in range(16))
"""How the tokens of one moment differ: drawn once, for there are thousands a second."""


class Histogram:
    """Observations by upper edge, as Prometheus counts them."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.sum = 0.0
        self._edges = edges
        self._counts = [0.0] * (len(edges) + 1)

    def observe(self, value: float, times: float = 1) -> None:
        """Count a value."""
        self._counts[bisect_left(self._edges, value)] += times
        self.sum += value * times

    def buckets(self) -> list[tuple[str, int]]:
        """Edge and how many were at most as large, ``+Inf`` last."""
        edges = (*map(str, self._edges), "+Inf")
        return [(edge, round(count)) for edge, count in zip(edges, accumulate(self._counts), strict=True)]


class Latencies:
    """The three times an operator asks about."""

    def __init__(self, traffic: Traffic, seed: random.Random) -> None:
        """Histograms without an observation; ``seed`` is of its own noise."""
        short = not traffic.tokens_per_second
        self.first_token = Histogram(_FIRST_TOKEN_EDGES)
        self.inter_token = Histogram(_TOKEN_EDGES)
        self.request = Histogram(_SHORT_EDGES if short else _REQUEST_EDGES)
        self._traffic = traffic
        self._random = seed

    def tokens(self, count: float) -> None:
        """So many tokens were generated."""
        if count:
            for step in _TOKEN_STEPS:
                self.inter_token.observe(exp(step) / self._traffic.tokens_per_second, count / len(_TOKEN_STEPS))

    def requests(self, count: int, prompt: float, generated: float, waiting: int) -> None:
        """So many requests ended, of so many tokens each, with so many in the queue."""
        traffic = self._traffic
        for _ in range(count):
            noise = self._random.lognormvariate(0, _SPREAD)
            if not traffic.tokens_per_second:
                self.request.observe(traffic.request_seconds * noise)
                continue
            first = prompt / (_PREFILL * traffic.tokens_per_second) * noise * (1 + waiting)
            self.first_token.observe(first)
            self.request.observe(
                first + generated / traffic.tokens_per_second * self._random.lognormvariate(0, _SPREAD)
            )
