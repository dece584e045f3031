"""A command line and the engine's arguments in it: read them, and change some without touching the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.errors import GpudeckError
from fleet.model import Scalar
from fleet.secrets import is_secret

SHORT = {
    "c": "ctx-size", "m": "model", "ngl": "n-gpu-layers", "sm": "split-mode", "ts": "tensor-split",
    "mg": "main-gpu", "b": "batch-size", "ub": "ubatch-size", "np": "parallel", "fa": "flash-attn",
    "ctk": "cache-type-k", "ctv": "cache-type-v",
    "tp": "tensor-parallel-size", "pp": "pipeline-parallel-size", "dp": "data-parallel-size",
    "q": "quantization", "ep": "enable-expert-parallel", "dcp": "decode-context-parallel-size",
}  # fmt: skip
"""One-dash spellings of llama.cpp's and vLLM's flags."""

_SWITCHES = {
    "enforce-eager", "trust-remote-code", "async-scheduling", "calculate-kv-scales", "mlock", "mmap",
    "embedding", "embeddings", "reranking", "metrics", "jinja", "kv-unified", "cont-batching",
    "language-model-only", "skip-mm-profiling", "skip-tokenizer-init", "fully-sharded-loras", "headless",
    "O0", "O1", "O2", "O3",
}  # fmt: skip
_ON_UNLESS_TOLD = {
    "enable-prefix-caching",
    "enable-chunked-prefill",
    "async-scheduling",
    "mmap",
    "cont-batching",
}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SHELLS = {"sh", "bash", "dash", "zsh", "ash", "ksh"}


@dataclass(frozen=True, slots=True)
class _Flag:
    """One flag as a command line writes it, and the words it takes up."""

    name: str
    """The fleet file's spelling: no dashes before, ``-`` inside, long."""
    start: int
    stop: int
    value: Scalar
    inline: bool
    """Whether it is written ``--flag=value``."""
    negated: bool


def read_arguments(argv: Sequence[str]) -> dict[str, Scalar]:
    """The arguments of a command line under the fleet file's spelling; a flag given twice counts as the last.

    A switch is True unless ``false`` follows it, its ``--no-`` form False; numbers are numbers, everything else is
    text.
    """
    return {flag.name: flag.value for flag in _flags(argv)}


def plain_words(argv: Sequence[str]) -> tuple[str, ...]:
    """The words after the program, and before a ``--``, that are neither a flag nor a flag's value."""
    return tuple(argv[position] for position in plain_positions(argv))


def plain_positions(argv: Sequence[str]) -> tuple[int, ...]:
    """Where the `plain_words` stand."""
    end = argv.index("--") if "--" in argv else len(argv)
    taken = {position for flag in _flags(argv) for position in range(flag.start, flag.stop)}
    return tuple(position for position in range(1, end) if position not in taken)


def with_arguments(argv: Sequence[str], changed: Mapping[str, Scalar]) -> tuple[str, ...]:
    """The command line with these arguments changed; every other word, and the order, stay.

    A flag keeps the spelling it is found in (``--flag value``, ``--flag=value``, ``_`` for ``-``, one dash);
    a new one comes at the end. True writes a switch; False takes it out, or writes its ``--no-`` form where
    the engine has it on unless told otherwise; None takes the argument out.
    """
    words = list(argv)
    for name, value in changed.items():
        found = [flag for flag in _flags(words) if flag.name == SHORT.get(name, name)]
        if value is not None and found and same_value(found[-1].value, value):
            continue
        last = found[-1] if found else None
        for flag in reversed(found):
            words[flag.start : flag.stop] = _spelled(words, flag, value) if flag is last else []
        if last is None:
            words += _new(name, value)
    return tuple(words)


def is_shell(argv: Sequence[str]) -> bool:
    """Whether a command line runs a shell, so that what follows is a script and not words of an engine."""
    return argv[0].rpartition("/")[2] in _SHELLS


def check_no_secret(argv: Sequence[str]) -> None:
    """Refuse command lines that hold a secret, which an overlay would copy. Raises GpudeckError."""
    for flag in _flags(argv):
        if is_secret(flag.name) and flag.value is not True:
            raise GpudeckError(
                f"its command line holds a secret (--{flag.name}), which would be copied into the overlay.",
                "Move the secret to an environment file of the service first.",
            )


def same_value(one: Scalar, other: Scalar) -> bool:
    """Whether two values of an argument mean the same: ``0.5`` and ``0.50``, text and number alike."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    return _scalar(str(one)) == _scalar(str(other))


def _flags(argv: Sequence[str]) -> list[_Flag]:
    found: list[_Flag] = []
    position = 1
    while position < len(argv) and argv[position] != "--":
        flag = _flag(argv, position)
        if flag is None:
            position += 1
            continue
        found.append(flag)
        position = flag.stop
    return found


def _flag(argv: Sequence[str], position: int) -> _Flag | None:
    word = argv[position]
    if not _is_flag(word):
        return None
    written, equals, inline = word.partition("=")
    bare = written.lstrip("-").replace("_", "-")
    name = SHORT.get(bare, bare) if written[1] != "-" else bare
    negated = name.startswith("no-")
    name = name.removeprefix("no-")
    switch = _is_switch(name)
    if equals:
        value = _said(inline) if switch else None
        return _Flag(name, position, position + 1, _scalar(inline) if value is None else value, True, negated)
    following = argv[position + 1] if position + 1 < len(argv) else "--"
    if switch and not negated and (said := _said(following)) is not None:
        return _Flag(name, position, position + 2, said, False, negated)
    if negated or switch or _is_flag(following) or following == "--":
        return _Flag(name, position, position + 1, not negated, False, negated)
    return _Flag(name, position, position + 2, _scalar(following), False, negated)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and word != "--" and not _NUMBER.fullmatch(word)


def _is_switch(name: str) -> bool:
    return name in _SWITCHES or name.startswith(("enable-", "disable-"))


def _said(word: str) -> bool | None:
    """The value some versions let follow a switch: ``--enable-chunked-prefill False``; None where it is none."""
    return {"true": True, "false": False}.get(word.lower())


def _spelled(words: Sequence[str], flag: _Flag, value: Scalar) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return _new(flag.name, value)
    return _pair(words[flag.start].partition("=")[0], str(value), inline=flag.inline)


def _new(name: str, value: Scalar) -> list[str]:
    dashes = "-" if name in SHORT else "--"
    match value:
        case None:
            return []
        case True:
            return [f"{dashes}{name}"]
        case False:
            return [f"--no-{name}"] if name in _ON_UNLESS_TOLD else []
        case _:
            return _pair(f"{dashes}{name}", str(value), inline=False)


def _pair(flag: str, value: str, *, inline: bool) -> list[str]:
    return [f"{flag}={value}"] if inline or _is_flag(value) else [flag, value]


def _scalar(text: str) -> Scalar:
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
