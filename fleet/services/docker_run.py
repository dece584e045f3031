"""``docker run`` and ``podman run``: the image, what runs in it, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_PROGRAMS = {"docker", "podman", "nerdctl"}
_VERBS = ("run", "create")
_SWITCHES = {
    "--rm", "--rmi", "--detach", "--interactive", "--tty", "--privileged", "--init", "--read-only", "--read-only-tmpfs",
    "--publish-all", "--no-healthcheck", "--no-hosts", "--oom-kill-disable", "--replace", "--rootfs", "--quiet",
    "--env-host", "--http-proxy", "--sig-proxy", "--tls-verify", "--disable-content-trust", "--unsetenv-all",
    "--passwd", "-P", "-q",
}  # fmt: skip
"""Options without a value."""
_CLUSTER = re.compile(r"-[dit]+")


class Option(NamedTuple):
    """One option of the command line."""

    name: str
    value: str
    words: tuple[str, ...]
    """As they are written."""


@dataclass(frozen=True, slots=True)
class Run:
    """A ``run`` or ``create`` taken apart."""

    options: tuple[Option, ...]
    image: str
    command: tuple[str, ...]
    """The words after the image."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its command line asks for it."""

    image: str
    command: tuple[str, ...]
    """What runs in it; empty or arguments only where the image says what does."""
    environment: Mapping[str, str]
    gpus: int | None
    """How many GPUs ``--gpus`` gives it; None where it says all, or nothing."""


def taken_apart(words: Sequence[str]) -> Run | None:
    """The options, image and command of a command line that makes a container; None where it makes none."""
    program = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in _PROGRAMS), len(words))
    position = next((at + 1 for at in range(program, len(words)) if words[at] in _VERBS), len(words))
    options: list[Option] = []
    while position < len(words) and words[position].startswith("-"):
        option, position = _option(words, position)
        options.append(option)
    if position >= len(words):
        return None
    return Run(tuple(options), words[position], tuple(words[position + 1 :]))


def with_settings(
    words: Sequence[str], environment: Mapping[str, str | None], devices: Sequence[str] | None
) -> tuple[str, ...]:
    """A command line that makes a container, with these variables set or (None) not set, and these GPUs' device nodes.

    ``devices`` take the place of everything it is given under /dev/dri; None leaves that.
    """
    run = taken_apart(words)
    if run is None:
        return tuple(words)
    kept: list[str] = []
    for name, value, written in run.options:
        is_set = name in ("-e", "--env") and value.partition("=")[0] in environment
        is_node = name == "--device" and devices is not None and "/dev/dri" in value
        kept += () if is_set or is_node else written
    first = len(words) - len(run.command) - 1 - sum(len(option.words) for option in run.options)
    kept += [f"--device={node}" for node in devices or ()]
    kept += [f"--env={name}={value}" for name, value in environment.items() if value is not None]
    return (*words[:first], *kept, run.image, *run.command)


def device_nodes(words: Sequence[str]) -> tuple[str, ...]:
    """The device nodes of the host that a command line gives the container it makes."""
    run = taken_apart(words)
    return tuple(o.value.partition(":")[0] for o in run.options if o.name == "--device") if run else ()


def container(words: Sequence[str]) -> Container | None:
    """The container a command line runs; None where it runs none."""
    run = taken_apart(words)
    if run is None:
        return None
    environment: dict[str, str] = {}
    gpus = None
    entry: tuple[str, ...] = ()
    for option, value, _ in run.options:
        if option in ("-e", "--env") and "=" in value:
            name, _, said = value.partition("=")
            environment[name] = said
        elif option == "--gpus":
            gpus = _gpus(value)
        elif option == "--entrypoint":
            entry = (value,)
    return Container(run.image, (*entry, *run.command), environment, gpus)


def _option(words: Sequence[str], position: int) -> tuple[Option, int]:
    """An option, and where the next one begins."""
    word = words[position]
    name, equals, value = word.partition("=")
    if equals and name.startswith("--"):
        return Option(name, value, (word,)), position + 1
    if word in _SWITCHES or _CLUSTER.fullmatch(word):
        return Option(word, "", (word,)), position + 1
    if not word.startswith("--") and len(word) > 2:
        return Option(word[:2], word[2:], (word,)), position + 1
    following = words[position + 1] if position + 1 < len(words) else ""
    return Option(word, following, tuple(words[position : position + 2])), position + 2


def _gpus(value: str) -> int | None:
    """``2``, ``device=0,1`` or ``"device=0,1"``; None for ``all``."""
    listed = value.strip("\"'")
    if listed.startswith("device="):
        return len(listed.removeprefix("device=").split(","))
    return int(listed) if listed.isdecimal() else None
