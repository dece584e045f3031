"""The server's arguments that decide memory, with the defaults of its build (common/arg.cpp, common/common.h)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.estimate.listed import numbers
from fleet.model import Arguments, Version
from fleet.units import MiB

FIT_SINCE, FLASH_SINCE = (7410, 0, 0), (6325, 0, 0)
"""The first builds that fit unset parameters to free memory, of December 2025, and that use flash attention unasked."""
_SLOTS = 4
"""Of a newer build that is not told; they share one cache."""
_BATCH = 512
_FIT_CONTEXT, _FIT_TARGET = 4096, "1024"
_ALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """What a server was told, or what its build does untold."""

    context: int
    """Tokens over all slots; 0 where it is not told, or told to take the model's own."""
    slots: int
    unified: bool
    """All slots share one cache, instead of an equal part each."""
    key_type: str
    value_type: str
    batch: int
    """Tokens of one graph: ``--ubatch-size``."""
    flash_attention: bool
    full_windows: bool
    """``--swa-full``: sliding layers keep the whole context."""
    cache_on_gpu: bool
    gpu_layers: int
    """The last so many layers are on GPUs, the output counting as one."""
    told_layers: bool
    split_mode: str
    proportions: tuple[float, ...]
    """``--tensor-split``; empty follows free memory."""
    main_gpu: int
    projector: bool
    """``--mmproj``: the vision tower is loaded too."""
    fits: bool
    """Whether unset parameters are fitted to free memory."""
    shrinks: bool
    """Whether fitting may shorten the context: it was not told, nor told to be the model's own."""
    fit_context: int
    """The shortest context fitting goes down to."""
    fit_targets: tuple[int, ...]
    """Bytes left free on each GPU; the last one holds for those beyond."""

    def target(self, gpu: int) -> int:
        """Bytes fitting leaves free on that GPU."""
        return self.fit_targets[min(gpu, len(self.fit_targets) - 1)]


def options(args: Arguments, version: Version | None) -> Options:
    """What the arguments say, with the defaults of that build; the newest where none is given."""
    newer = version is None or version >= FIT_SINCE
    slots = args.integer("parallel", 0)
    layers = _whole(args, "n-gpu-layers", _whole(args, "gpu-layers", -1))
    return Options(
        context=max(0, args.integer("ctx-size", 0)),
        slots=slots if slots > 0 else _SLOTS if newer else 1,
        unified=args.flag("kv-unified") or (slots <= 0 and not args.flag("no-kv-unified")),
        key_type=args.text("cache-type-k", "f16"),
        value_type=args.text("cache-type-v", "f16"),
        batch=args.integer("ubatch-size", _BATCH),
        flash_attention=_on(args, "flash-attn", version is None or version >= FLASH_SINCE),
        full_windows=args.flag("swa-full"),
        cache_on_gpu=not args.flag("no-kv-offload"),
        gpu_layers=layers if layers >= 0 else _ALL,
        told_layers=layers >= 0,
        split_mode=args.text("split-mode", "layer"),
        proportions=numbers(args.text("tensor-split", "")),
        main_gpu=max(0, _whole(args, "main-gpu", 0)),
        projector="mmproj" in args,
        fits=_on(args, "fit", newer) and newer,
        shrinks="ctx-size" not in args,
        fit_context=args.count("fit-ctx", _FIT_CONTEXT),
        fit_targets=tuple(
            round(number * MiB) for number in numbers(args.text("fit-target", "")) or numbers(_FIT_TARGET)
        ),
    )


def _on(args: Arguments, flag: str, default: bool) -> bool:
    """A flag that takes on, off or auto, or is a switch."""
    said = args.text(flag, "auto").lower()
    return default if said == "auto" else said in ("on", "true", "1", "enabled")


def _whole(args: Arguments, flag: str, default: int) -> int:
    """A flag that takes a whole number or a word; the default where it is a word."""
    said = args.text(flag, "").strip()
    return int(said) if re.fullmatch(r"-?\d{1,9}", said) else default
