"""A command line that serves a model, as people paste it: which engine, which model, which arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleet.arguments import LARGEST, Kind, argument, counted
from fleet.errors import UsageError
from fleet.model import Arguments, Engine, Scalar, Version
from fleet.services.arguments import plain_words, read_arguments
from fleet.services.docker_run import Container, container
from fleet.text import clean

_WAY_OUT = "Paste it as it is: gpudeck estimate --gpu MI300X -- vllm serve MODEL --max-model-len 32768"
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_SEPARATOR = re.compile(r"[;&|]+|\d?(>{1,2}|<).*")
"""A word that ends a shell command: ``&&``, ``|``, ``> log``, ``2>&1``."""
_PROGRAMS = {
    "vllm": "vllm",
    "llama-server": "llama.cpp",
    "llama-cli": "llama.cpp",
    "text-embeddings-router": "text-embeddings-inference",
}
_IMAGES = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llama.cpp": "llama.cpp",
    "text-embeddings-inference": "text-embeddings-inference",
}
"""Words in the names of images, and the engine they serve with."""
MODULES = {"vllm": "vllm", "sglang": "sglang", "llama_cpp": "llama.cpp"}
"""First name of the module ``python -m`` runs."""
_VISIBLE = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
MODEL_FLAGS = ("model", "model-tag", "model-path", "model-id")
"""Flags that name the model, by engine."""
_SYNONYMS = {
    "device-memory-utilization": "gpu-memory-utilization",
    "tp": "tensor-parallel-size",
    "tp-size": "tensor-parallel-size",
    "gpu-layers": "n-gpu-layers",
}
"""Other names of flags: vLLM's from 0.31, SGLang's, llama.cpp's."""
_MORE_COUNTS = ("pipeline-parallel-size", "data-parallel-size", "decode-context-parallel-size", "block-size")
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
"""What vLLM's parser takes behind a number: ``32k`` is 32,000 and ``32K`` is 32,768."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a command line serves."""

    engine: Engine
    """Its version where a container image's tag tells it."""
    source: str
    """The model as the line names it: a Hugging Face id or a path."""
    args: Arguments
    """The engine's arguments, and the ``VLLM_`` variables set for it under their own names."""
    gpus: int | None = None
    """How many GPUs its environment or its container lets it see; None where nothing says."""


def read(words: Sequence[str]) -> Served:
    """Read a pasted command line, given as one text or as the words a shell made of it.

    Variables before it, ``sudo``, ``env`` and the like, ``docker run`` with its options, and other commands around it
    are seen through. Raises UsageError where it serves no model we can make out, or an argument has no such value.
    """
    variables: dict[str, str] = {}
    for command in _commands(_words(words)):
        variables |= _exported(command)
        found = container(command)
        environment = {**variables, **_assignments(command), **(found.environment if found else {})}
        program = _program(found.command if found else command) or _entry_point(found)
        if program:
            return _served(*program, environment, found)
    shown = clean(" ".join(words), 120) or "nothing"
    raise UsageError(f"There is no command in it that serves a model: {shown}.", _WAY_OUT)


def engine_arguments(engine: str, words: Sequence[str]) -> Arguments:
    """An engine's arguments from the words of its command line, under the fleet file's spelling.

    Numbers are read as the engine reads them. Raises UsageError where one that decides memory has no such value.
    """
    found = read_arguments((engine, *words))
    named = ((_SYNONYMS.get(flag, flag), value) for flag, value in found.items())
    return Arguments((flag, _value(engine, flag, value)) for flag, value in named)


def arguments_of(engine: str, text: str) -> Arguments:
    """An engine's arguments from a pasted part of its command line: ``--max-model-len 32k --seed 7``.

    Raises UsageError where it cannot be read, or holds words that belong to no argument.
    """
    words = _words([text])
    plain = plain_words((engine, *words))
    if plain:
        raise UsageError(f"{clean(plain[0], 40)!r} belongs to no argument.", "Write its flag before it.")
    return engine_arguments(engine, words)


def _words(words: Sequence[str]) -> list[str]:
    """The shell's words; a single one is a whole line still to be split, over several rows perhaps."""
    if len(words) != 1:
        return [word for word in words if word.strip(" \\\r\n")]
    text = re.sub(r"\\\s*\r?\n", " ", words[0]).rstrip("\\ \t\r\n")
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise UsageError(f"The pasted line cannot be read: {str(error).lower()}.", _WAY_OUT) from None


def _commands(words: Sequence[str]) -> Iterator[list[str]]:
    """The single commands of a shell's line, redirections left out."""
    command: list[str] = []
    for word in words:
        ends = word.endswith(";") and len(word) > 1
        if not _SEPARATOR.fullmatch(word):
            command.append(word.removesuffix(";") if ends else word)
        if (ends or _SEPARATOR.fullmatch(word)) and command:
            yield command
            command = []
    if command:
        yield command


def _exported(command: Sequence[str]) -> dict[str, str]:
    """Variables a command sets for those after it: ``export A=b``, or assignments and nothing else."""
    rest = command[1:] if command[0] == "export" else command
    return _assignments(rest) if all(_ASSIGNMENT.fullmatch(word) for word in rest) else {}


def _assignments(words: Sequence[str]) -> dict[str, str]:
    """Every ``NAME=value`` before the program."""
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        if _engine_at(words, position):
            break
        if _ASSIGNMENT.fullmatch(word):
            name, _, value = word.partition("=")
            found[name] = value
    return found


def _program(command: Sequence[str]) -> tuple[Engine, list[str]] | None:
    """The engine a command runs, and the words of its own."""
    for position in range(len(command)):
        name = _engine_at(command, position)
        if name:
            return Engine(name), _without_serve(command[position + 1 :])
    return None


def _engine_at(words: Sequence[str], position: int) -> str | None:
    word = words[position]
    if position and words[position - 1] == "-m":
        return MODULES.get(word.partition(".")[0])
    name = _PROGRAMS.get(word.rpartition("/")[2])
    return name if name != "vllm" or "serve" in words[position + 1 : position + 2] else None


def _entry_point(found: Container | None) -> tuple[Engine, list[str]] | None:
    """The engine an image runs by itself, told by the image's name; the command is its arguments."""
    name = next((engine for word, engine in _IMAGES.items() if found and word in found.image), None)
    return (Engine(name), _without_serve(found.command)) if found and name else None


def _without_serve(words: Sequence[str]) -> list[str]:
    return list(words[1:] if list(words[:1]) == ["serve"] else words)


def _served(engine: Engine, words: list[str], environment: Mapping[str, str], found: Container | None) -> Served:
    args = engine_arguments(engine.name, words)
    plain = plain_words((engine.name, *words))
    named = next((args.text(flag, "") for flag in MODEL_FLAGS if flag in args), "")
    source = clean(plain[0] if plain and engine.name == "vllm" else named)
    if not source:
        raise UsageError(f"The pasted line names no model for {engine.name}.", _WAY_OUT)
    settings = {name: value for name, value in environment.items() if name.startswith("VLLM_")}
    kept = {flag: value for flag, value in args.items() if flag not in MODEL_FLAGS}
    visible = [len([gpu for gpu in environment[name].split(",") if gpu]) for name in _VISIBLE if name in environment]
    if found and found.gpus:
        visible.append(found.gpus)
    version = _tagged_version(found.image) if found and engine.name == "vllm" else None
    return Served(
        Engine(engine.name, version), source, Arguments({**settings, **kept}), min(filter(None, visible), default=None)
    )


def _tagged_version(image: str) -> Version | None:
    """The version in an image's tag: ``vllm/vllm-openai:v0.9.1``, ``rocm/vllm:rocm6.4.1_vllm_0.9.1_20250715``."""
    name, _, tag = image.rpartition(":")
    match = re.search(r"vllm[_-]v?(\d+\.\d+(?:\.\d+)*)", tag) or re.match(r"v?(\d+\.\d+(?:\.\d+)*)", tag)
    return Version(match[1]) if match and name else None


def _value(engine: str, flag: str, value: Scalar) -> Scalar:
    """A value as that engine reads it. Raises UsageError."""
    known = argument(engine, flag)
    counts = known.kind is Kind.COUNT or flag in _MORE_COUNTS
    if value is True and (counts or known.kind in (Kind.SHARE, Kind.CHOICE)):
        raise UsageError(f"--{flag} wants a value.")
    if isinstance(value, float) and abs(value) > LARGEST:
        raise UsageError(f"--{flag} is not as large as {value:g}.")
    if counts:
        return _count(engine, flag, value)
    if known.kind is Kind.SHARE:
        try:
            return known.parse(str(value))
        except ValueError as error:
            raise UsageError(f"--{error}.") from None
    if known.kind is Kind.SWITCH and not isinstance(value, bool):
        raise UsageError(f"--{flag} is a switch and takes no value such as {clean(str(value), 40)!r}.")
    return clean(value) if isinstance(value, str) and known.kind is not Kind.TEXT else value


def _count(engine: str, flag: str, value: Scalar) -> Scalar:
    number = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kKmMgGtT])", str(value)) if engine == "vllm" else None
    if number:
        value = round(float(number[1]) * _UNITS[number[2]])
    automatic = flag == "max-model-len" and value in (-1, "auto")
    least = 1 if flag.endswith("-parallel-size") else 0 if engine == "vllm" else -1
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not (whole or automatic):
        raise UsageError(
            f"--{flag} is a whole number such as {counted(flag).partition(' ')[0]}, not {clean(str(value), 40)!r}."
        )
    return value
