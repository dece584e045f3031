"""Embedding models and rerankers on text-embeddings-inference and Infinity: weights, a context, one warm-up batch.

There is no cache and no reservation. Both send a full batch through the model before they serve, and keep what that
took; text-embeddings-inference hardly takes more afterwards, Infinity does where texts are longer than its warm-up's.
"""

from __future__ import annotations

from fleet.architecture.architecture import Architecture
from fleet.estimate import Estimate, Outcome, Reason, Refusal
from fleet.estimate.checkpoint import rank_bytes
from fleet.estimate.measured import ENCODER_STATES, End
from fleet.estimate.room import NOTHING, Room
from fleet.model import Arguments, Model
from fleet.units import gib_text

INFINITY = "infinity"
TEI_TOKENS = 16_384
"""Default of ``--max-batch-tokens``."""
INFINITY_BATCH, _INFINITY_TOKENS = 32, 512
"""Default of ``--batch-size``, and the tokens of each text it warms up with (select_model.py)."""
_LONGEST = 8192
"""Tokens most embedding models cut a text to, however many positions they have."""


def estimate(model: Model, architecture: Architecture, room: Room) -> Estimate:
    """What the first GPU of the place holds; the engines use one.

    The warm-up batch is counted with what stays while the model idles: it must fit before the model serves, and the
    allocators keep it. At the high end attention keeps its scores where flash attention may be missing (ROCm), and
    Infinity is sent its longest texts.
    """
    plain = 4 if model.args.text("dtype", "auto") == "float32" else 2
    weights = rank_bytes(architecture, range(architecture.layers), last=False, plain=plain)
    batch = batch_bytes(architecture, model.engine.name, model.args, room)
    shares = (room.share(weights, kept=batch), *(NOTHING,) * (len(room.totals) - 1))
    refusal = _refusal(model.engine.name, room) if room.short(shares) is not None else None
    return Estimate(
        model=model.name,
        shares=shares,
        outcome=Outcome.OOM if refusal else Outcome.STARTED,
        refusal=refusal,
        longest_length=architecture.max_positions,
        notes=(
            "Beside others it takes what it needs of the free memory and reserves none; with too little it fails "
            f"while it warms up. {gib_text(batch)} of it are the batch it keeps.",
        ),
    )


def batch_bytes(architecture: Architecture, engine: str, args: Arguments, room: Room) -> int:
    """Bytes a full batch takes in 16 bit: ``tokens x (k x hidden + 3 x intermediate)`` elements."""
    if engine == INFINITY:
        length = min(architecture.max_positions, _LONGEST if room.end is End.HIGH else _INFINITY_TOKENS)
        tokens = args.integer("batch-size", INFINITY_BATCH) * length
    else:
        tokens = args.integer("max-batch-tokens", TEI_TOKENS)
        length = min(tokens, architecture.max_positions)
    width = ENCODER_STATES.at(room.end) * architecture.hidden + 3 * architecture.intermediate
    if room.end is End.HIGH and room.accelerator.vendor == "amd" and engine != INFINITY:
        width += architecture.heads * length  # a row of scores for every token and head
    return round(2 * tokens * width)


def _refusal(engine: str, room: Room) -> Refusal:
    if engine == INFINITY or room.accelerator.vendor == "amd":
        return Refusal(Reason.OUT_OF_MEMORY, room.out_of_memory)
    return Refusal(Reason.OUT_OF_MEMORY, 'DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")')
