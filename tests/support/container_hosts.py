"""A throw-away host that serves its models from containers: podman's, docker's, compose's and a Quadlet's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from booted_hosts import BootedHost, free_number, running, write_gpu_host

from fleet.commands import Answer, Command

_FILES = Path(__file__).parent / "booted/containers"
SERVICES = {
    "podman": "podman:llm-podman",
    "docker": "docker:llm-docker",
    "compose": "compose:/srv/compose/compose.yaml:llm",
    "quadlet": "quadlet:llm-quadlet",
}
"""Its models and what serves each; the first on GPU 0 and port 8001, and so on."""
SECRET = "hf_of_the_operator"
"""In the environment of each."""
_NSPAWN = "--capability=all " + " ".join(f"--system-call-filter={call}" for call in ("add_key", "keyctl", "bpf"))


@dataclass(frozen=True)
class Container:
    """A running container."""

    identity: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    nodes: tuple[str, ...]
    """What is under its /dev/dri."""


@dataclass(frozen=True)
class ContainerHost(BootedHost):
    """One running host."""

    tree: ClassVar[str] = "debian-13"
    settings: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"NSPAWN": _NSPAWN, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    )

    def fleet(self, path: Path) -> Path:
        """A fleet file of this host and its models, written there."""
        models = "".join(
            f"  {name}:\n    source: Qwen/Qwen3-8B\n    engine: vllm 0.9.2\n    place: {self.name}/{index}\n"
            f"    service: {service}\n    url: http://127.0.0.1:{8001 + index}\n    role: {name}\n"
            "    args: {gpu-memory-utilization: 0.4, max-model-len: 8192}\n"
            for index, (name, service) in enumerate(SERVICES.items())
        )
        host = f"{self.name}: {{address: ops@{self.name}, accelerator: MI300X, gpus: 4}}"
        path.write_text(f"fleet: booted\nssh_config: {self.directory}/ssh_config\nhosts:\n  {host}\nmodels:\n{models}")
        return path

    def container(self, name: str) -> Container:
        """The container of that name."""
        (facts,) = json.loads(self.sh(f"podman container inspect {name}"))
        pairs = (pair.partition("=") for pair in facts["Config"]["Env"])
        return Container(
            facts["Id"],
            tuple(facts["Args"]),
            {variable: value for variable, _, value in pairs},
            tuple(self.sh(f"podman exec {name} ls /dev/dri").split()),
        )

    def run(self, *commands: Command) -> Answer:
        """Run commands as root, which have to succeed; the last one's answer."""
        answer = Answer(0, "", "")
        for command in commands:
            done = self.ssh(command.line, command.stdin.decode())
            answer = Answer(done.returncode, done.stdout, done.stderr)
            assert answer.ok, f"{command.line}: {answer.stderr}"
        return answer

    def reset(self) -> None:
        """All its models serve as their operator made them, and nothing is wrong."""
        done = self.ssh("containers")
        self.check_possible(done)
        assert done.returncode == 0, done.stderr


@contextmanager
def container_host(directory: Path) -> Iterator[ContainerHost]:
    """A host that runs inside the block; skips the test, with the reason, where this machine cannot have one."""
    files = directory / "files"
    shutil.copytree(_FILES, files, symlinks=True)
    write_gpu_host(files)
    with running(ContainerHost(free_number(), directory)) as host:
        yield host
