"""What a new server of each kind would carry of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.estimate.measured import End
from fleet.estimate.speed import Decoding, Speed, decode
from fleet.estimate.trial import Trial, trial
from fleet.hardware import SERVER_GPUS, SERVERS, Accelerator, accelerator
from fleet.inventory import Host, Inventory
from fleet.model import Model
from fleet.planning.capacity.spots import Measured, spots

_TENSOR = "tensor-parallel-size"


@dataclass(frozen=True, slots=True)
class Offer:
    """A server of `SERVER_GPUS` GPUs of one kind with nothing on it but copies of one model."""

    accelerator: Accelerator
    gpus_each: int
    """That one copy takes; 0 where it does not start even on all of them."""
    copies: int
    kv_tokens: int | None
    """That the caches of all copies hold; None where the engine has none we know."""
    sequences: float | None
    """Of the largest length, at once, by all copies."""
    speed: Speed | None
    """One sequence at a time; None where the model does not write text, or is not known."""

    @property
    def power_watts(self) -> int:
        """Of the GPUs at their limit; the machine around them takes more."""
        return SERVER_GPUS * self.accelerator.power_watts

    @property
    def worth(self) -> float:
        """What it can have at work at once: sequences where that is known, else copies."""
        return self.copies if self.sequences is None else self.sequences


def offers(model: Model) -> tuple[Offer, ...]:
    """Every kind of server that is sold, the one that carries most first; of equals, the one that takes less power."""
    found = (_offer(model, accelerator(name)) for name in SERVERS)
    return tuple(sorted(found, key=lambda offer: (-offer.worth, offer.power_watts)))


def _offer(model: Model, kind: Accelerator) -> Offer:
    fitting = next(_widths(model, kind), None)
    if fitting is None:
        return Offer(kind, 0, 0, None, None, None)
    gpus = len(fitting.totals)
    host = Host(kind.name, "", kind.name, SERVER_GPUS)
    empty = Inventory(kind.name, (host,), ())
    copies = sum(spot.copies for spot in spots(empty, fitting.model, Measured()))
    one = fitting.estimate()
    return Offer(
        kind,
        gpus,
        copies,
        None if one.kv_cache_tokens is None else copies * one.kv_cache_tokens,
        None if one.max_concurrency is None else copies * one.max_concurrency,
        _speed(fitting),
    )


def _widths(model: Model, kind: Accelerator) -> Iterator[Trial]:
    """The model on as many GPUs as it asks for, then on twice as many and so on, where it starts."""
    asked = trial(model, kind, gpus=model.args.ranks)
    width = len(asked.totals)
    while width <= SERVER_GPUS:
        wider = asked if width == len(asked.totals) else asked.given(_spread(model, width)).on(kind, width)
        if wider.estimate(End.HIGH).refusal is None:
            yield wider
        if model.engine.name != "vllm":
            return
        width *= 2


def _spread(model: Model, width: int) -> dict[str, int]:
    own = max(1, model.args.integer(_TENSOR, 1))
    return {_TENSOR: own * width // model.args.ranks}


def _speed(fitting: Trial) -> Speed | None:
    known = fitting.architecture
    if known is None or not (known.generates and known.has_head):
        return None
    parallel = fitting.model.args.integer(_TENSOR, 1)
    return decode(known, fitting.accelerator, Decoding(tensor_parallel=max(1, parallel)))
