"""A fleet file from nothing: what was found on hosts, as an operator would have written it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fleet.inventory import Host
from fleet.inventory.scalars import written
from fleet.model import Model, Scalar
from fleet.text import clean
from fleet.units import GB, MB


def fleet_text(
    name: str,
    hosts: Sequence[Host],
    models: Sequence[Model],
    ssh_config: str | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The text of a fleet file; `fleet.inventory.loading` reads back what was given. Notes end it as comments."""
    lines = [f"fleet: {written(name)}"]
    if ssh_config:
        lines.append(f"ssh_config: {written(ssh_config)}")
    lines.append("hosts:")
    for host in hosts:
        facts: dict[str, Scalar] = {
            "address": host.address,
            "accelerator": host.accelerator_name,
            "gpus": host.gpus,
            "become": host.become,
        }
        lines += [f"  {host.name}:", *_entries(facts, 4)]
    lines.append("models:" if models else "models: {}")
    for model in models:
        lines += [f"  {model.name}:", *_model(model)]
    lines += [f"# {clean(note)}" for note in notes]
    return "\n".join(lines) + "\n"


def _model(model: Model) -> Iterator[str]:
    facts: dict[str, Scalar] = {
        "source": model.source,
        "engine": str(model.engine),
        "memory": _size(model.memory_bytes) if model.memory_bytes else None,
        "place": str(model.place) if model.place else None,
        "service": model.service,
        "url": model.url,
        "role": model.role,
    }
    yield from _entries({key: value for key, value in facts.items() if value is not None}, 4)
    if model.args:
        yield "    args:"
        yield from _entries(model.args, 6)
    if not model.enabled:
        yield "    enabled: false"


def _entries(facts: Mapping[str, Scalar], indent: int) -> Iterator[str]:
    for key, value in facts.items():
        text = clean(value) if isinstance(value, str) else value
        yield f"{' ' * indent}{key}: {written(text)}"


def _size(size: int) -> str:
    """A size as people write it, rounded up: ``1.5 GB``."""
    return f"{-(-size // (100 * MB)) * 100 * MB / GB:g} GB"
