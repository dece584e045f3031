"""What every simulated engine has in common: one start of it, as its program sees the machine.

An engine's start is a generator that yields the seconds until its next step and returns what then serves.
Between steps it takes memory, gives it back and prints; it raises `Exit` where the real program would end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.model import Scalar, Version
from fleet.services.arguments import read_arguments
from fleet.simulator.cards import Card
from fleet.simulator.memory import Memory
from fleet.simulator.truths import Traffic
from fleet.units import MiB


class Exit(Exception):
    """The program ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Api(StrEnum):
    """Which endpoints a program offers."""

    VLLM = "vllm"
    LLAMA = "llama.cpp"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Headroom:
    """Memory a process may still take on one GPU under load: its share of the activation peak."""

    pid: int
    card: Card
    size: int


@dataclass(frozen=True, slots=True)
class Serving:
    """A program that came up."""

    api: Api
    model: str
    """Its name on the API."""
    traffic: Traffic
    cards: tuple[Card, ...]
    batch: int
    """Sequences it works on at one time."""
    kv_tokens: int = 0
    """Capacity of its KV cache; 0 where it has none."""
    longest: int = 0
    """Tokens one sequence may have."""
    headroom: tuple[Headroom, ...] = ()


Steps = Generator[float, None, Serving]


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a service. A process opens the GPU driver only if `Launch.worker` says so."""

    pid: int
    parent: int
    name: str
    command_line: tuple[str, ...]
    started: float


@dataclass(slots=True)
class Launch:
    """One start of a service."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    version: Version
    on_host: Sequence[Card]
    cards: tuple[Card, ...]
    """Those its environment lets it see, in its own order."""
    pid: int
    memory: Memory
    random: random.Random
    print: Callable[[str], None]
    spawn: Callable[[str, tuple[str, ...]], int]
    """Start a child under a name and command line; its pid."""
    now: Callable[[], float]
    """Unix seconds."""
    elapsed: float = 0.0
    """Seconds of the program's own time since it was started."""
    ready: bool = False
    """Whether its port answers before it serves."""
    arguments: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arguments = read_arguments(self.argv)

    def worker(self, name: str, command_line: tuple[str, ...], card: Card) -> int:
        """A child that opens one GPU and its runtime context there. Raises OutOfMemory."""
        pid = self.spawn(name, command_line)
        self.open(pid, card)
        return pid

    def open(self, pid: int, *cards: Card) -> None:
        """Let a process open the driver and a context on each of these GPUs. Raises OutOfMemory."""
        self.memory.open(pid)
        for card in cards:
            self.memory.take(pid, card, card.accelerator.context_bytes)

    def about(self, size: int, spread: float) -> int:
        """A size with seeded noise of at most ``spread`` (a share of it), in whole MiB."""
        return round(size * (1 + self.random.uniform(-spread, spread))) // MiB * MiB
