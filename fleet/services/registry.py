"""From a fleet file's ``service:`` to the service it names."""

from __future__ import annotations

from fleet.errors import UsageError
from fleet.model import Model
from fleet.services import Service
from fleet.services.compose import Compose
from fleet.services.container_engine import ContainerEngine
from fleet.services.containers import Container
from fleet.services.quadlet import Quadlet
from fleet.services.systemd import Systemd
from fleet.services.template import Templated, filled_in
from fleet.text import clean


def service_of(model: Model, become: str) -> Service | None:
    """How the model's process is managed; None where the fleet file does not say.

    ``become`` is its host's: ``sudo`` or ``none``. Raises UsageError for a ``service:`` we cannot drive.
    """
    if model.service is None:
        return None
    return service_named(filled_in(model) if model.commands else model.service, become)


def service_named(written: str, become: str) -> Service:
    """The service of that name, as a fleet file writes it. Raises UsageError for one we cannot drive."""
    kind, _, name = written.partition(":")
    match kind:
        case "systemd":
            return Systemd(name, become)
        case "systemd-user":
            return Systemd(name, become, user=True)
        case "podman" | "docker":
            return Container(name, ContainerEngine(kind, become), kind)
        case "podman-user":
            return Container(name, ContainerEngine("podman"), kind)
        case "quadlet" | "quadlet-user":
            return Quadlet(name, become, user=kind == "quadlet-user")
        case "compose":
            return Compose.named(name, become)
        case "command" if " " in name:
            return Templated.named(written)
        case _:
            raise UsageError(
                f"{clean(written)!r} is not a service gpudeck can drive.",
                "Write systemd:NAME.service, podman:NAME, docker:NAME, quadlet:NAME or compose:/PATH/FILE.yaml:NAME.",
            )
