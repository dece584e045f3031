"""What is served, by which engine, with which arguments, in which place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import total_ordering
from math import prod
from pathlib import Path

Scalar = str | int | float | bool | None
"""A value in a fleet file: what one argument of an engine can be."""


@dataclass(frozen=True, order=True, slots=True)
class GpuId:
    """``gpu01/3``: a host and a HIP index, as files and screens write it. Never an identity."""

    host: str
    index: int

    def __str__(self) -> str:
        return f"{self.host}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> GpuId:
        """Read ``gpu01/3``. Raises ValueError with a sentence."""
        place = Place.parse(text)
        if len(place.gpus) != 1:
            raise ValueError(f"{text!r} names {len(place.gpus)} GPUs where one is meant")
        return place.gpu_ids[0]


@dataclass(frozen=True, slots=True)
class Place:
    """The GPUs of one host a model runs on, by HIP index, ascending."""

    host: str
    gpus: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``gpu01/0``, ``gpu01/4-6`` or ``gpu01/4,6``. Raises ValueError with a sentence."""
        host, slash, listed = text.partition("/")
        if not (host and slash and re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", listed)):
            raise ValueError(f"{text!r} is not a place; write HOST/GPUS, such as gpu01/0, gpu01/4-6 or gpu01/4,6")
        found: list[int] = []
        for part in listed.split(","):
            first, _, last = part.partition("-")
            start, stop = int(first), int(last or first)
            if stop < start:
                raise ValueError(f"{text!r} counts down from {start} to {stop}; write the lower GPU first")
            found.extend(range(start, stop + 1))
        if len(set(found)) != len(found):
            raise ValueError(f"{text!r} names a GPU twice")
        return cls(host, tuple(sorted(found)))

    @property
    def gpu_ids(self) -> tuple[GpuId, ...]:
        """The place as single GPUs, ascending."""
        return tuple(GpuId(self.host, index) for index in self.gpus)

    def __str__(self) -> str:
        first, last = self.gpus[0], self.gpus[-1]
        if len(self.gpus) > 1 and last - first + 1 == len(self.gpus):
            return f"{self.host}/{first}-{last}"
        return f"{self.host}/{','.join(map(str, self.gpus))}"


@total_ordering
class Version:
    """An engine's version: compared by its release numbers, printed as written (``0.8.5.post1``)."""

    __slots__ = ("release", "text")

    def __init__(self, text: str) -> None:
        match = re.match(r"[vb]?(\d+(?:\.\d+)*)", text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a version; write numbers and dots, such as 0.9.0")
        self.text = text.strip()
        major, minor, patch, *_ = *map(int, match[1].split(".")), 0, 0
        self.release = (major, minor, patch)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Version):
            return self.release == other.release
        return self.release == other if isinstance(other, tuple) else NotImplemented

    def __lt__(self, other: Version | tuple[int, ...]) -> bool:
        return self.release < (other.release if isinstance(other, Version) else other)

    def __hash__(self) -> int:
        return hash(self.release)

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Engine:
    """The program that serves a model, and its version where it is known."""

    name: str
    version: Version | None = None

    NAMES = (
        "vllm",
        "llama.cpp",
        "sglang",
        "exllamav2",
        "text-embeddings-inference",
        "infinity",
        "whisper",
        "other",
    )

    @classmethod
    def parse(cls, text: str) -> Engine:
        """Read ``vllm 0.9.0`` or ``whisper``. Raises ValueError with a sentence."""
        name, _, version = text.strip().partition(" ")
        if name not in cls.NAMES:
            raise ValueError(f"{name!r} is not an engine we know; one of {', '.join(cls.NAMES)}")
        return cls(name, Version(version) if version.strip() else None)

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


class Arguments(Mapping[str, Scalar]):
    """An engine's arguments under its own flag names without dashes, in the order written. Immutable, hashable."""

    __slots__ = ("_hash", "_values")

    def __init__(self, values: Mapping[str, Scalar] | Iterable[tuple[str, Scalar]] = ()) -> None:
        self._values = dict(values)
        self._hash = hash(tuple(self._values.items()))

    def __getitem__(self, flag: str) -> Scalar:
        return self._values[flag]

    def get(self, flag: str, default: Scalar = None) -> Scalar:  # type: ignore[override]
        """The argument; a mapping's own way to it costs an exception wherever one is absent."""
        return self._values.get(flag, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Arguments) else NotImplemented

    def __repr__(self) -> str:
        return f"Arguments({self._values!r})"

    def replace(self, flag: str, value: Scalar) -> Arguments:
        """The same arguments with one changed, added at the end, or (value None) removed."""
        values = {**self._values, flag: value}
        if value is None:
            del values[flag]
        return Arguments(values)

    def number(self, flag: str, default: float) -> float:
        """The argument as a number, or the default where it is absent or not a number."""
        value = self._values.get(flag)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return default
        return float(value)

    def integer(self, flag: str, default: int) -> int:
        """The argument as a whole number, or the default where it is absent or not one."""
        value = self._values.get(flag)
        return default if isinstance(value, bool) or not isinstance(value, int) else value

    def count(self, flag: str, default: int) -> int:
        """The argument as a whole number from 1 on, or the default where it is absent or not one."""
        value = self.integer(flag, default)
        return value if value > 0 else default

    def text(self, flag: str, default: str) -> str:
        """The argument as text, or the default where it is absent."""
        value = self._values.get(flag)
        return default if value is None else str(value)

    def flag(self, flag: str) -> bool:
        """Whether a switch is set."""
        return self._values.get(flag) is True

    @property
    def ranks(self) -> int:
        """How many GPUs they ask for: one for every rank of tensor, pipeline and data parallelism together."""
        return prod(max(1, self.integer(f"{kind}-parallel-size", 1)) for kind in ("tensor", "pipeline", "data"))


@dataclass(frozen=True, slots=True)
class Handling:
    """How a model is taken out of service and brought back: the operator's own commands, as templates, and times.

    The commands run on the model's host, and are such as may be repeated.
    """

    drain: str | None = None
    """Tells the model, before its stop, to take no new requests."""
    drain_seconds: float | None = None
    """How long its stop waits for requests at most; None = as usual."""
    router_remove: str | None = None
    """Takes it out of the router, before its stop."""
    router_add: str | None = None
    """Puts it into the router, once it serves."""
    router_reload: str | None = None
    """Makes the router see either."""
    health: str | None = None
    """Succeeds once it really serves: one token, one embedding, by its own endpoint."""
    warmup: str | None = None
    """What it is asked once it serves, before the router sends it anything."""
    start_seconds: float | None = None
    """How long its start may take; None = three times as long as reckoned, and two minutes."""


@dataclass(frozen=True, slots=True)
class Least:
    """What a model must keep where it is made smaller so that others fit."""

    length: int | None = None
    """Tokens of a sequence; None = as many as it has."""
    concurrency: float = 1.0
    """Sequences of that length its cache holds."""
    sequences: int | None = None
    """Sequences it serves at once; None = as many as it does."""
    kv_dtypes: tuple[str, ...] = ()
    """What its KV cache may be kept in beside what it is in, the most welcome first."""


@dataclass(frozen=True, slots=True)
class Model:
    """A named entry of the fleet file."""

    name: str
    engine: Engine
    source: str | None = None
    """A Hugging Face id or a file; None where only the memory is declared."""
    place: Place | None = None
    """None only for a disabled model."""
    service: str | None = None
    """``systemd:NAME.service`` and so on: how its process is managed on its host."""
    commands: tuple[tuple[str, str], ...] = ()
    """Of a service that only the operator's own commands drive, ``command:NAME``: (verb, template)."""
    service_template: Path | None = None
    """What its service is made from on a host that does not have it."""
    managed: str | None = None
    """The file of the operators' own repository that says how it is served; its service is not changed but there."""
    url: str | None = None
    """Its own endpoint as seen from its host."""
    role: str | None = None
    args: Arguments = field(default_factory=Arguments)
    memory_bytes: int | None = None
    """Memory declared by the operator, per GPU."""
    enabled: bool = True
    pinned: bool = False
    """Whether it stays where it is when the fleet is rebalanced."""
    least: Least | None = None
    """What it keeps when the fleet is rebalanced; None where its arguments stay as they are."""
    checkpoints: tuple[str, ...] = ()
    """Other sources of the same model that take less, the most welcome first; offered where nothing else fits."""
    note: str | None = None
    handling: Handling = Handling()
    replica_of: str | None = None
    """The entry of the fleet file that several copies are served of; None where it is the only one."""
    ignored: tuple[tuple[str, str], ...] = ()
    """Findings that do not count for it: (code, why not)."""
