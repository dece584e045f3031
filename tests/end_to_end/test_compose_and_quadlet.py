"""Models of a real docker compose and of a real Quadlet, changed and given back by ``gpudeck apply``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from booted_hosts import gpudeck, states
from container_hosts import SECRET, SERVICES, ContainerHost, container_host

from fleet.commands import Write
from fleet.inventory.loading import load
from fleet.readings import ServiceWord
from fleet.services import Definition
from fleet.services.arguments import with_arguments
from fleet.services.registry import service_named
from fleet.services.states import parse_states, states_command

CONTAINERS = {"compose": "compose-llm-1", "quadlet": "systemd-llm-quadlet"}
OVERLAYS = "ls /srv/compose/gpudeck.* /etc/containers/systemd/llm-quadlet.container.d/* 2>/dev/null || true"
OTHER = "podman container inspect --format '{{.Id}} {{.State.StartedAt}}' compose-other-1"
OWN_FILES = "cat /srv/compose/compose.yaml /etc/containers/systemd/llm-quadlet.container"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerHost]:
    with container_host(tmp_path_factory.mktemp("containers")) as host:
        yield host


@pytest.fixture
def fleet(host: ContainerHost, tmp_path: Path) -> Iterator[Path]:
    yield host.fleet(tmp_path / "fleet.yaml")
    host.reset()


def test_one_file_changes_the_service_and_without_it_all_is_as_before(host: ContainerHost, fleet: Path) -> None:
    before = {kind: host.container(name) for kind, name in CONTAINERS.items()}
    other, own_files, text = host.sh(OTHER), host.sh(OWN_FILES), fleet.read_text()
    changes = [word for kind in CONTAINERS for word in ("--set", f"{kind}.gpu-memory-utilization=0.3")]
    moves = ("--move", f"compose={host.name}/3", "--move", f"quadlet={host.name}/0")
    done = gpudeck(fleet, "apply", str(fleet), *changes, *moves, "--yes")
    assert done.returncode == 0, done.stderr
    assert host.sh(OVERLAYS).split() == [
        "/etc/containers/systemd/llm-quadlet.container.d/50-gpudeck.conf",
        "/srv/compose/gpudeck.llm.yaml",
    ]
    for kind, node in (("compose", "renderD136"), ("quadlet", "renderD152")):
        now = host.container(CONTAINERS[kind])
        assert now.arguments == tuple("0.3" if word == "0.4" else word for word in before[kind].arguments)
        assert now.environment["HF_TOKEN"] == SECRET
        assert not {"HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} & set(now.environment)
        assert now.nodes == (node,)
    places = {model.name: str(model.place) for model in load(fleet).models}
    assert (places["compose"], places["quadlet"]) == (f"{host.name}/3", f"{host.name}/0")
    assert states(fleet) == dict.fromkeys(SERVICES, "serving")

    done = gpudeck(fleet, "apply", str(fleet), "--remove-overlays", "--yes")
    assert done.returncode == 0, done.stderr
    assert (host.sh(OVERLAYS), host.sh(OWN_FILES), fleet.read_text()) == ("", own_files, text)
    for kind, name in CONTAINERS.items():
        assert replace(host.container(name), identity="") == replace(before[kind], identity="")
    assert host.sh(OTHER) == other


def test_init_names_containers_by_what_makes_them(host: ContainerHost, fleet: Path, tmp_path: Path) -> None:
    done = gpudeck(fleet, "init", f"ops@{host.name}", "--ssh-config", f"{host.directory}/ssh_config", "-o", "-")
    found = tmp_path / "found.yaml"
    found.write_text(done.stdout)
    told, meant = ({model.name: model for model in load(path).models} for path in (found, fleet))
    assert {name: model.service for name, model in told.items()} == {**SERVICES, "docker": "podman:llm-docker"}
    assert {n: (m.source, m.place, m.url, m.args) for n, m in told.items()} == {
        n: (m.source, m.place, m.url, m.args) for n, m in meant.items()
    }


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_refused_start_leaves_no_file_of_ours(host: ContainerHost, fleet: Path, kind: str) -> None:
    before, text = host.container(CONTAINERS[kind]), fleet.read_text()
    done = gpudeck(fleet, "apply", str(fleet), "--set", f"{kind}.max-model-len=40960", "--yes")
    assert done.returncode == 1
    assert "The model's max seq len (40960) is larger than the maximum number of tokens" in done.stderr
    assert replace(host.container(CONTAINERS[kind]), identity="") == replace(before, identity="")
    assert (host.sh(OVERLAYS), fleet.read_text()) == ("", text)


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
