"""What a host's own podman, docker, compose and Quadlet say of containers, and what they make of our overlays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from booted_hosts import gpudeck
from container_hosts import SERVICES, ContainerHost

from fleet.commands import Answer, Write
from fleet.inventory.loading import load
from fleet.readings import ServiceWord
from fleet.services import Definition
from fleet.services.arguments import with_arguments
from fleet.services.container_engine import ContainerEngine
from fleet.services.containers import Container
from fleet.services.registry import service_named
from fleet.services.states import parse_states, states_command

POLICY = "podman container inspect --format '{{.HostConfig.RestartPolicy.Name}}'"
QUADLET = """\
[Container]
Image=localhost/vllm
Entrypoint=/bin/sh
Exec=-c "trap 'exit 0' TERM; sleep 1000 & wait" serve --max-model-len 8192 --chat-template "{%% a %%} $$x" --unit %p
Environment=HF_TOKEN=hf_secret HIP_VISIBLE_DEVICES=3
AddDevice=/dev/dri/renderD128
Volume=/usr:/usr:ro
Network=host
"""
COMPOSE = """\
services:
  tried:
    image: localhost/vllm
    entrypoint: [/bin/sh]
    command: >-
      -c "trap 'exit 0' TERM; sleep 1000 & wait" serve --max-model-len 8192 --chat-template "{% a %} $$x" --unit tried
    environment: {HF_TOKEN: hf_secret, HIP_VISIBLE_DEVICES: 3}
    devices: [/dev/dri/renderD128:/dev/dri/renderD128]
    volumes: [/usr:/usr:ro]
    network_mode: host
    ulimits: {nofile: 20000, nproc: 4096}
"""
TRIED = {
    "quadlet:tried": ("/etc/containers/systemd/tried.container", QUADLET, "systemd-tried"),
    "compose:/srv/tried/compose.yaml:tried": ("/srv/tried/compose.yaml", COMPOSE, "tried-tried-1"),
}
"""By service: its file, what is in it, and what its container is called."""
HOSTILE = "50% $HOME $(reboot) ${HF_TOKEN} `id` 'x' \"y\" \\ \\n %n é ;#&"


class Tried:
    """A service of the operator's that only sleeps."""

    def __init__(self, host: ContainerHost, name: str) -> None:
        self.host = host
        self.path, text, self.container = TRIED[name]
        host.put(self.path, text)
        self.service = service_named(name, "none")
        host.run(Write(("systemctl", "daemon-reload")), self.service.start())

    def definition(self) -> Definition:
        return self.service.parse_definition(self.host.run(self.service.definition()))

    def word(self) -> ServiceWord:
        return parse_states([self.service], self.host.run(states_command([self.service])))[self.service.name].word


@pytest.fixture(params=TRIED)
def tried(host: ContainerHost, request: pytest.FixtureRequest) -> Iterator[Tried]:
    tried = Tried(host, request.param)
    yield tried
    tried.host.run(tried.service.stop(), *tried.service.remove_overlay())
    host.sh(f"rm {tried.path}; systemctl daemon-reload")


def test_hostile_arguments_reach_a_container_as_data_and_its_own_as_they_were(tried: Tried) -> None:
    own = tried.host.container(tried.container)
    assert own.arguments[-4:] == ("--chat-template", "{% a %} $x", "--unit", "tried")
    definition = tried.definition()
    argv = with_arguments(definition.argv, {"max-model-len": 4096, "note": HOSTILE})
    pins = {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None, "CUDA_VISIBLE_DEVICES": None}
    overlay = tried.service.overlay(definition, argv, pins, ["/dev/dri/renderD136"])
    assert "hf_secret" not in overlay
    tried.host.run(tried.service.stop(), *tried.service.write_overlay(overlay))
    assert tried.word() is ServiceWord.STOPPED
    tried.host.run(tried.service.start())
    ours = tried.host.container(tried.container)
    assert ours.arguments == (*("4096" if word == "8192" else word for word in own.arguments), "--note", HOSTILE)
    assert ours.nodes == ("renderD136",)
    assert ours.environment["ROCR_VISIBLE_DEVICES"] == "GPU-1a"
    assert ours.environment.get("HIP_VISIBLE_DEVICES", "0") == "0"
    assert tried.word() is ServiceWord.ACTIVE
    assert tried.definition().overlay == overlay
    tried.host.run(tried.service.stop(), *tried.service.remove_overlay(), tried.service.start())
    assert replace(tried.host.container(tried.container), identity="") == replace(own, identity="")
    assert tried.definition() == definition


def test_init_names_containers_by_what_makes_them(host: ContainerHost, tmp_path: Path) -> None:
    fleet = host.fleet(tmp_path / "fleet.yaml")
    done = gpudeck(fleet, "init", f"ops@{host.name}", "--ssh-config", f"{host.directory}/ssh_config", "-o", "-")
    found = tmp_path / "found.yaml"
    found.write_text(done.stdout)
    told, meant = ({model.name: model for model in load(path).models} for path in (found, fleet))
    assert {name: model.service for name, model in told.items()} == {**SERVICES, "docker": "podman:llm-docker"}
    assert {n: (m.source, m.place, m.url, m.args) for n, m in told.items()} == {
        n: (m.source, m.place, m.url, m.args) for n, m in meant.items()
    }


def test_podman_makes_anew_what_it_made_for_docker_and_always_starts(host: ContainerHost) -> None:
    host.sh("docker update --restart=always llm-docker")
    own = host.container("llm-docker")
    service = Container("llm-docker", ContainerEngine("podman"), "podman")
    definition = service.parse_definition(Answer(0, host.ssh(service.definition().line).stdout, ""))
    overlay = service.overlay(definition, with_arguments(definition.argv, {"max-model-len": 4096}), {})
    host.run(service.stop(), *service.write_overlay(overlay), service.start())
    assert host.container("llm-docker").arguments == (*own.arguments[:-1], "4096")
    assert host.sh(f"{POLICY} llm-docker llm-docker.gpudeck-own").split() == ["always", "no"]
    host.run(service.stop(), *service.remove_overlay(), service.start())
    assert host.container("llm-docker") == own
    assert host.sh(f"{POLICY} llm-docker; docker update --restart=no llm-docker").split()[0] == "always"
