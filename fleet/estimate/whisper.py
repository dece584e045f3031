"""Whisper on faster-whisper and its like: measured figures by size, precision and batch; else by the model's shape.

No pool is reserved; memory grows with the batch and the beam, and is kept. Figures are the whole GPU's use, in MiB,
while 13 minutes of speech are transcribed with beams of 5, so the runtime context is in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from fleet.estimate import Estimate, Outcome, Reason, Refusal
from fleet.estimate.measured import WHISPER_WORKSPACE, End
from fleet.estimate.room import NOTHING, Room
from fleet.model import Arguments, Model
from fleet.units import GB, GiB, MiB


class Program(StrEnum):
    """What serves a Whisper model."""

    FASTER_WHISPER = "faster-whisper"
    OPENAI = "openai/whisper"
    WHISPER_CPP = "whisper.cpp"
    TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True)
class Shape:
    """A size of the model: parameters, width, and layers of the decoder, whose caches take memory."""

    parameters: int
    width: int
    decoder_layers: int


SHAPES = {
    "distil-large": Shape(756_000_000, 1280, 2),
    "distil-medium": Shape(394_000_000, 1024, 2),
    "distil-small": Shape(166_000_000, 768, 4),
    "turbo": Shape(809_000_000, 1280, 4),
    "large": Shape(1_550_000_000, 1280, 32),
    "medium": Shape(769_000_000, 1024, 24),
    "small": Shape(244_000_000, 768, 12),
    "base": Shape(74_000_000, 512, 6),
    "tiny": Shape(39_000_000, 384, 4),
}
"""Of openai/whisper's and distil-whisper's model cards."""

_README = "faster-whisper 1.1.0 README, RTX 3070 Ti"
_REPORTED = "SYSTRAN/faster-whisper#1030, RTX 2080 Ti"
MEASURED: dict[tuple[Program, str, str, int], tuple[int, str]] = {
    (Program.FASTER_WHISPER, "large", "float16", 1): (4525, _README),
    (Program.FASTER_WHISPER, "large", "int8", 1): (2926, _README),
    (Program.FASTER_WHISPER, "large", "float16", 8): (6090, _README),
    (Program.FASTER_WHISPER, "large", "int8", 8): (4500, _README),
    (Program.FASTER_WHISPER, "turbo", "float16", 1): (2537, _REPORTED),
    (Program.FASTER_WHISPER, "turbo", "int8", 1): (1545, _REPORTED),
    (Program.FASTER_WHISPER, "distil-large", "float16", 1): (2409, _REPORTED),
    (Program.FASTER_WHISPER, "distil-large", "int8", 1): (1481, _REPORTED),
    (Program.OPENAI, "large", "float16", 1): (4708, _README),
    (Program.WHISPER_CPP, "large", "float16", 1): (4127, _README),
    (Program.TRANSFORMERS, "large", "float16", 1): (4960, _README),
}
"""(program, size, precision, batch): MiB of the whole GPU, and where it was measured."""
REQUIRED_GB = {"tiny": 1, "base": 1, "small": 2, "medium": 5, "large": 10, "turbo": 6}
"""What openai/whisper's README asks for, in whole GB: its own high end, since it keeps weights in 32 bit."""
_MEASURED_SPREAD = {End.LOW: 0.93, End.CENTRAL: 1.0, End.HIGH: 1.08}
"""Of one program's figures over its releases: large-v2 took 4755 and 4525 MiB, large-v3 4521 and int8 3091 to 2926."""

_FRAMES, _TEXT = 1500, 448
"""Positions of the encoder's output, which the decoder keeps keys and values of; and tokens of its own text."""
BEAM = 5
"""Texts tried beside each other where ``--beam-size`` is not given."""
_MEASURED_WIDTH = 1280
"""Of every model the workspace was measured on; at the high end a narrower one's is as large."""


def size_of(source: str) -> str | None:
    """The size a model's name tells of, ``large`` for kb-whisper-large and large-v3; None where it tells of none."""
    name = source.rpartition("/")[2].lower().replace("distil-whisper", "distil")
    return next((size for size in SHAPES if re.search(rf"(^|[^a-z]){size}($|[^a-z])", name)), None)


def program_of(source: str) -> Program:
    """What serves it, by the kind of file its name tells of: CTranslate2's where it tells of none."""
    name = source.lower()
    if re.search(r"ggml|gguf", name):
        return Program.WHISPER_CPP
    if name.startswith(("openai/whisper", "distil-whisper/")):
        return Program.TRANSFORMERS
    return Program.OPENAI if name.endswith(".pt") else Program.FASTER_WHISPER


def estimate(model: Model, size: str, room: Room) -> Estimate:
    """What the first GPU of the place holds, everything counted with what stays while the model idles."""
    shape, precision = SHAPES[size], _precision(model.args)
    weights = round(shape.parameters * (1 if precision == "int8" else 4 if precision == "float32" else 2))
    batch = max(1, _integer(model.args, "batch-size", 1))
    beam = max(1, _integer(model.args, "beam-size", BEAM))
    program = program_of(model.source or "")
    figure = MEASURED.get((program, size, precision, batch)) if beam == BEAM else None
    if figure:
        total = round(figure[0] * MiB * _MEASURED_SPREAD[room.end])
        working = max(0, total - weights - room.context_bytes)
        basis, source = "catalogue", f"Measured: {figure[1]}."
    else:
        working = working_bytes(shape, batch, beam, room.end)
        if program is Program.OPENAI and room.end is End.HIGH:
            working = max(working, REQUIRED_GB.get(size, 0) * GB - weights - room.context_bytes)
        basis, source = "modelled", "Reckoned from the model's shape; nobody measured this size, precision and batch."
    shares = (room.share(weights, kept=working), *(NOTHING,) * (len(room.totals) - 1))
    short = room.short(shares) is not None
    return Estimate(
        model=model.name,
        shares=shares,
        outcome=Outcome.OOM if short else Outcome.STARTED,
        refusal=Refusal(Reason.OUT_OF_MEMORY, _out_of_memory(program, room)) if short else None,
        basis=basis,
        notes=(
            source,
            "Beside others it takes what it needs of the free memory and reserves none; it grows with batch and beam, "
            "and runs out in the middle of a recording where others have taken the rest.",
        ),
    )


def working_bytes(shape: Shape, batch: int, beam: int, end: End) -> int:
    """Bytes beside weights and context: a workspace as wide as the model, and the decoder's caches in 16 bit.

    Every sequence of a batch has the keys and values of its audio, the beams of one those of a whole text; in a batch
    texts are short. On large that is 234 MiB for each sequence more, where the published figures differ by 224.
    """
    kept = 2 * 2 * shape.decoder_layers * shape.width
    narrower = 1.0 if end is End.HIGH else shape.width / _MEASURED_WIDTH
    return round(WHISPER_WORKSPACE.at(end) * narrower * GiB) + kept * (batch * _FRAMES + beam * _TEXT)


def _precision(args: Arguments) -> str:
    said = args.text("compute-type", args.text("compute_type", "float16")).lower()
    return "int8" if said.startswith("int8") else "float32" if said == "float32" else "float16"


def _integer(args: Arguments, flag: str, default: int) -> int:
    """Servers of Whisper write their flags with dashes or with underscores."""
    return args.integer(flag, args.integer(flag.replace("-", "_"), default))


def _out_of_memory(program: Program, room: Room) -> str:
    if program is Program.FASTER_WHISPER:
        return "RuntimeError: CUDA failed with error out of memory"
    return room.out_of_memory
