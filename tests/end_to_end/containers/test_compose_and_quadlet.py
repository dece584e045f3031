"""Models of a real docker compose and of a real Quadlet, changed and given back by ``gpudeck apply``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from booted_hosts import gpudeck, states
from container_hosts import SECRET, SERVICES, ContainerHost

from fleet.inventory.loading import load

CONTAINERS = {"compose": "compose-llm-1", "quadlet": "systemd-llm-quadlet"}
OVERLAYS = "ls /srv/compose/gpudeck.* /etc/containers/systemd/llm-quadlet.container.d/* 2>/dev/null || true"
OTHER = "podman container inspect --format '{{.Id}} {{.State.StartedAt}}' compose-other-1"
OWN_FILES = "cat /srv/compose/compose.yaml /etc/containers/systemd/llm-quadlet.container"


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


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_refused_start_leaves_no_file_of_ours(host: ContainerHost, fleet: Path, kind: str) -> None:
    before, text = host.container(CONTAINERS[kind]), fleet.read_text()
    done = gpudeck(fleet, "apply", str(fleet), "--set", f"{kind}.max-model-len=40960", "--yes")
    assert done.returncode == 1
    assert "The model's max seq len (40960) is larger than the maximum number of tokens" in done.stderr
    assert replace(host.container(CONTAINERS[kind]), identity="") == replace(before, identity="")
    assert (host.sh(OVERLAYS), fleet.read_text()) == ("", text)
