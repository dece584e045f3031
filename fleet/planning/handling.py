"""Taking a model out of service and bringing it back, by the operator's own commands."""

from __future__ import annotations

from urllib.parse import urlsplit

from fleet.commands import Write
from fleet.findings import Finding, Fix, Severity, Tense
from fleet.inventory.changes import SetArgument
from fleet.model import Model
from fleet.services import Definition
from fleet.services.indirect import own_arguments
from fleet.services.template import words_of

_NAME = "served-model-name"
_CALLED_BY_SOURCE = ("vllm", "sglang")


def leaving(model: Model) -> tuple[Write, ...]:
    """What is run on its host before it is stopped: no router sends it anything more, and it takes nothing."""
    own = model.handling
    return _filled(model, own.router_remove, own.router_reload, own.drain)


def joining(model: Model) -> tuple[Write, ...]:
    """What is run on its host once it serves: it is warmed up, then the router may send it requests."""
    own = model.handling
    return _filled(model, own.warmup, own.router_add, own.router_reload)


def checking(model: Model) -> tuple[str, ...]:
    """The words of the command that succeeds once it really serves; none where the operator wrote none."""
    return words_of(model, model.handling.health) if model.handling.health else ()


def unrouted(before: Model, after: Model, runs_on: str | None) -> Finding | None:
    """A model that clients will look for where it is no more: its host or its port changes, and no router is told."""
    place, url = after.place, after.url
    if place is None or url is None or runs_on is None or after.handling.router_add:
        return None
    port = after.args.get("port")
    if place.host != runs_on:
        message = f"whoever asks it at {url} on {runs_on} will not find it on {place.host}, and no router is told."
    elif port != before.args.get("port") and port != urlsplit(url).port:
        message = f"whoever asks it at {url} will not find it on port {port}, and no router is told."
    else:
        return None
    numbers: dict[str, int] = {}
    return Finding("RTE001", Severity.ERROR, Tense.DRAFT, message, model=after.name, host=place.host, numbers=numbers)


def renamed(before: Model, after: Model, definition: Definition | None) -> Finding | None:
    """A model that clients will ask for by a name it has no more: vLLM and SGLang call it by its source unless told."""
    named = definition is not None and _NAME in own_arguments(definition, with_overlay=True)
    if before.source == after.source or after.url is None or after.engine.name not in _CALLED_BY_SOURCE:
        return None
    if named or _NAME in after.args or before.source is None:
        return None
    return Finding(
        "RTE002",
        Severity.WARNING,
        Tense.DRAFT,
        f"whoever asks {after.url} for {before.source} gets no answer: it is called {after.source} then.",
        model=after.name,
        fixes=(Fix(f"{_NAME} {before.source}", (SetArgument(after.name, _NAME, before.source),)),),
    )


def _filled(model: Model, *templates: str | None) -> tuple[Write, ...]:
    return tuple(Write(words_of(model, template)) for template in templates if template)
