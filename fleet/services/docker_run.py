"""``docker run`` and ``podman run``: the image, what runs in it, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PROGRAMS = {"docker", "podman", "nerdctl"}
_SWITCHES = {
    "--rm", "--detach", "--interactive", "--tty", "--privileged", "--init", "--read-only", "--publish-all",
    "--no-healthcheck", "--oom-kill-disable", "--replace", "--rootfs", "-P",
}  # fmt: skip
"""Options without a value."""
_CLUSTER = re.compile(r"-[dit]+")


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its command line asks for it."""

    image: str
    command: tuple[str, ...]
    """What runs in it; empty or arguments only where the image says what does."""
    environment: Mapping[str, str]
    gpus: int | None
    """How many GPUs ``--gpus`` gives it; None where it says all, or nothing."""


def container(words: Sequence[str]) -> Container | None:
    """The container a command line runs; None where it runs none."""
    program = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in _PROGRAMS), None)
    if program is None or "run" not in words[program:]:
        return None
    position = list(words).index("run", program) + 1
    environment: dict[str, str] = {}
    gpus = None
    entry: tuple[str, ...] = ()
    while position < len(words) and words[position].startswith("-"):
        option, value, position = _option(words, position)
        if option in ("-e", "--env") and "=" in value:
            name, _, said = value.partition("=")
            environment[name] = said
        elif option == "--gpus":
            gpus = _gpus(value)
        elif option == "--entrypoint":
            entry = (value,)
    if position >= len(words):
        return None
    return Container(words[position], (*entry, *words[position + 1 :]), environment, gpus)


def _option(words: Sequence[str], position: int) -> tuple[str, str, int]:
    """An option, its value, and where the next one begins."""
    word = words[position]
    name, equals, value = word.partition("=")
    if equals and name.startswith("--"):
        return name, value, position + 1
    if word in _SWITCHES or _CLUSTER.fullmatch(word):
        return word, "", position + 1
    if not word.startswith("--") and len(word) > 2:
        return word[:2], word[2:], position + 1
    following = words[position + 1] if position + 1 < len(words) else ""
    return word, following, position + 2


def _gpus(value: str) -> int | None:
    """``2``, ``device=0,1`` or ``"device=0,1"``; None for ``all``."""
    listed = value.strip("\"'")
    if listed.startswith("device="):
        return len(listed.removeprefix("device=").split(","))
    return int(listed) if listed.isdecimal() else None
