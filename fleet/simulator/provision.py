"""How a simulated host is set up: the unit files of its operators, and the files by which ssh reaches it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fleet.inventory import Host, Inventory
from fleet.model import Model, Scalar
from fleet.services.unit_syntax import quoted
from fleet.simulator.truths import PROGRAM_OF
from fleet.simulator.unit_files import FOLDER

_MODELS = "/srv/models"
_FIXED: Mapping[str, tuple[str, ...]] = {
    "vllm": ("/opt/vllm/bin/vllm", "serve", "{source}"),
    "llama.cpp": ("/opt/llama.cpp/bin/llama-server", "--model", f"{_MODELS}/{{source}}", "--metrics"),
}
_USER = "ops"


def unit_name(model: Model) -> str | None:
    """``NAME.service`` of a model that a systemd unit of the system manages."""
    kind, _, name = (model.service or "").partition(":")
    return name if kind == "systemd" and name else None


def models_of(inventory: Inventory, host: Host) -> tuple[Model, ...]:
    """The models installed on a host: those placed there, and on the first host those placed nowhere."""
    first = inventory.hosts[0]
    return tuple(
        model
        for model in inventory.models
        if (model.place.host if model.place else first.name) == host.name and unit_name(model)
    )


def write_units(root: Path, models: Iterable[Model]) -> None:
    """Write the unit file of every model below a root folder."""
    folder = root / FOLDER[1:]
    folder.mkdir(parents=True, exist_ok=True)
    for model in models:
        name = unit_name(model)
        if name is not None:
            (folder / name).write_text(unit_text(model), encoding="utf-8")


def unit_text(model: Model) -> str:
    """The unit file its operators wrote for a model."""
    gpus = ",".join(map(str, model.place.gpus)) if model.place else None
    environment = f"Environment=HIP_VISIBLE_DEVICES={gpus}\n" if gpus is not None else ""
    command = " ".join(quoted(word, expands=True) for word in command_line(model))
    return (
        f"[Unit]\nDescription={model.source or model.name} on {model.engine}\nAfter=network-online.target\n\n"
        f"[Service]\nUser=llm\n{environment}ExecStart={command}\nTimeoutStopSec=60\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def command_line(model: Model) -> tuple[str, ...]:
    """The words that start a model's engine as the fleet file says."""
    fixed = _FIXED.get(model.engine.name) or PROGRAM_OF.get(_first_name(model), ("/opt/unknown/serve", model.name))
    words = [word.format(source=model.source) for word in fixed]
    port = urlsplit(model.url or "").port
    if port is not None:
        words += ["--port", str(port)]
    for flag, value in model.args.items():
        words += _argument(flag, value)
    return tuple(words)


def _first_name(model: Model) -> str:
    """What the first host calls it."""
    return model.name.removesuffix(f"-{model.place.host}") if model.place else model.name


def _argument(flag: str, value: Scalar) -> tuple[str, ...]:
    if value is True:
        return (f"--{flag}",)
    return () if value is None or value is False else (f"--{flag}", str(value))


def login(host: Host) -> tuple[str, str]:
    """User and name of a host's address."""
    user, at, name = host.address.rpartition("@")
    return (user if at else _USER), name


def ssh_config(directory: Path, ports: Mapping[str, int], hosts: Iterable[Host]) -> str:
    """An OpenSSH client configuration that reaches every host at its port on the loopback interface."""
    key, known = directory / "key", directory / "known_hosts"
    blocks = []
    for host in hosts:
        user, name = login(host)
        blocks.append(
            f"Host {name}\n"
            f"  HostName 127.0.0.1\n  Port {ports[host.name]}\n  User {user}\n"
            f'  IdentityFile "{key}"\n  IdentitiesOnly yes\n  UserKnownHostsFile "{known}"\n'
        )
    return "\n".join(blocks)


def known_hosts(ports: Mapping[str, int], public_keys: Mapping[str, str]) -> str:
    """The known_hosts file of these hosts; a public key is ``TYPE BASE64``."""
    return "".join(f"[127.0.0.1]:{port} {public_keys[name]}\n" for name, port in ports.items())
