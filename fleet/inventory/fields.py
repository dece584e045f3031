"""What the single values of a fleet file may be. Each function returns the value or raises ValueError."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from fleet.arguments import LARGEST, Kind, argument
from fleet.commands import Template
from fleet.hardware import ACCELERATORS, accelerator
from fleet.inventory.scalars import unprintable
from fleet.model import Scalar
from fleet.text import clean
from fleet.units import parse_duration, parse_size, parse_watts
from fleet.windows import zone_named

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
"""A host's or a model's name: safe in a path, in a unit's name, in a URL and on a command line."""

FLAG = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""An engine's flag without its dashes."""

_UNIT = r"systemd(-user)?:[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,240}(?<!@)\.service"
_CONTAINER = r"(podman|podman-user|docker):[A-Za-z0-9][A-Za-z0-9_.-]{0,200}"
_QUADLET = r"quadlet(-user)?:[A-Za-z0-9_][A-Za-z0-9:_.-]{0,200}"
_COMPOSE = r"compose:/[A-Za-z0-9@%+=,._/-]{1,240}\.ya?ml:[A-Za-z0-9][A-Za-z0-9._-]{0,100}"
SERVICE = f"{_UNIT}|{_CONTAINER}|{_QUADLET}|{_COMPOSE}"
"""A systemd unit, system or user, an instance where it has an ``@``; a container; a Quadlet; a service of a compose
file."""

LABEL = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
"""A Prometheus label."""

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
"""An environment variable."""

_DASHED_ENGINES = ("vllm", "sglang", "llama.cpp", "text-embeddings-inference", "infinity")
"""Engines whose flags hold dashes and never underscores, at least before the first dot."""


def checked_name(text: str) -> str:
    """A host's or a model's name."""
    if not re.fullmatch(NAME, text):
        raise ValueError(
            f"{text!r} is not a name; write at most 63 letters, digits, '.', '_' and '-', the first a letter or a digit"
        )
    return text


def checked_line(text: str) -> str:
    """A text of one visible line that no command line takes for an option."""
    if not text or clean(text) != text or text.startswith("-"):
        raise ValueError(f"{text!r} is not one line of visible text")
    return text


def checked_address(text: str) -> str:
    """A host's address as ssh takes it."""
    if not re.fullmatch(r"[^\s-]\S*", text) or clean(text) != text:
        raise ValueError(f"{text!r} is not an address; write what ssh takes, such as ops@gpu01")
    return text


def checked_accelerator(text: str) -> str:
    """An accelerator's name, as we write it."""
    try:
        return accelerator(text).name
    except KeyError:
        known = ", ".join(ACCELERATORS)
        raise ValueError(f"{text!r} is not an accelerator we know; one of {known}") from None


def checked_service(text: str) -> str:
    """How a model's process is managed."""
    if not re.fullmatch(SERVICE, text):
        raise ValueError(
            f"{text!r} is not a service; write systemd:NAME.service, podman:NAME, docker:NAME, quadlet:NAME "
            "or compose:/PATH/compose.yaml:NAME"
        )
    return text


def checked_template(text: str) -> str:
    """A command with named fields."""
    return Template(checked_line(text)).text


def checked_span(text: str) -> float:
    """Seconds of a time span, not nothing and not more than a day."""
    seconds = parse_duration(text)
    if not 0 < seconds <= 86_400:
        raise ValueError(f"{text!r} is not a time to wait; write one such as 90 s or 20 min, up to 1 d")
    return seconds


def checked_url(text: str) -> str:
    """An endpoint's address, its port spelt out."""
    try:
        parts = urlsplit(text)
        complete = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port)
    except ValueError:
        complete = False
    if not complete or clean(text) != text or re.search(r"[\s@?#]", text):
        raise ValueError(f"{text!r} is not an endpoint; write its address and port, such as http://127.0.0.1:8001")
    return text


def checked_server(text: str) -> str:
    """A server's URL, with a path where it has one, and no password in it."""
    try:
        parts = urlsplit(text)
        complete = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        complete = False
    if "@" in text:
        raise ValueError("a secret does not belong into this file; name where it is by token_env or token_file")
    if not complete or clean(text) != text or re.search(r"[\s?#]", text) or not text.isascii():
        raise ValueError("this is not a server's URL; write one such as https://prometheus.example:9090")
    return text.rstrip("/")


def checked_label(text: str) -> str:
    """A Prometheus label."""
    if not re.fullmatch(LABEL, text):
        raise ValueError(f"{text!r} is not a label; write one such as hostname, node or instance")
    return text


def checked_variable(text: str) -> str:
    """The name of an environment variable."""
    if not re.fullmatch(VARIABLE, text):
        raise ValueError("write the name of an environment variable, such as PROMETHEUS_TOKEN, not its value")
    return text


def checked_memory(value: object) -> int:
    """Bytes of a size written with its unit."""
    if not isinstance(value, str):
        raise ValueError("write a number and a unit, such as 1.5 GB or 800 MiB")
    size = parse_size(value)
    if not size:
        raise ValueError("it cannot be nothing")
    return size


def checked_power(text: str) -> float:
    """Watts, not nothing."""
    watts = parse_watts(text)
    if not watts:
        raise ValueError("it cannot be nothing")
    return watts


def checked_zone(text: str) -> str:
    """The name of a time zone that this machine knows."""
    zone_named(text)
    return text


def checked_index(text: str) -> int:
    """A GPU's index."""
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError(f"{text!r} is not the index of a GPU; write a number such as 7")
    return int(text)


def checked_reason(text: str) -> str:
    """Why a finding does not count. Raises ValueError with a sentence."""
    if not text.strip():
        raise ValueError("an ignored finding needs a reason")
    return clean(text)


def checked_flag(text: str) -> str:
    """An engine's flag without its dashes."""
    bare = text.lstrip("-")
    if bare != text and re.fullmatch(FLAG, bare):
        raise ValueError(f"{text!r} is written without the dashes in front: {bare}")
    if not re.fullmatch(FLAG, text):
        raise ValueError(f"{text!r} is not a flag; write the engine's own, without the dashes in front")
    return text


def checked_spelling(flag: str, engine: str) -> str:
    """A flag as the engine of that name writes it: the estimate would overlook another spelling."""
    first, dot, rest = flag.partition(".")
    if engine in _DASHED_ENGINES and "_" in first:
        raise ValueError(f"{engine} writes {flag!r} with dashes: {first.replace('_', '-')}{dot}{rest}")
    return flag


def checked_argument(value: object) -> Scalar:
    """The value of one argument."""
    if value is None:
        raise ValueError("no value is given; write true for a switch, or take the line away")
    if not isinstance(value, str | int | float):
        raise ValueError("an argument is one value: text, a number, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("an argument is no infinite number")
    if isinstance(value, float) and abs(value) > LARGEST:
        raise ValueError(f"{value!r} is larger than any argument is")
    if isinstance(value, str) and unprintable(value) is not None:
        raise ValueError(f"{value!r} holds a control character")
    return value


def checked_type(value: Scalar, flag: str, engine: str) -> Scalar:
    """An argument of the type that flag of that engine takes; the estimate would overlook another.

    What the value may be beyond its type is the engine's to say.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match argument(engine, flag).kind:
        case Kind.SHARE if not number:
            raise ValueError(f"{flag} is a number such as 0.9, not {value!r}")
        case Kind.COUNT if not number or isinstance(value, float):
            raise ValueError(f"{flag} is a whole number such as 32768, not {value!r}")
        case Kind.SWITCH if not isinstance(value, bool):
            raise ValueError(f"{flag} is a switch, true or false, not {value!r}")
    return value
