"""Models in containers of a real podman and of Docker's command line, changed and given back by ``gpudeck apply``."""

from __future__ import annotations

from pathlib import Path

from booted_hosts import gpudeck, states
from container_hosts import SECRET, SERVICES, ContainerHost

from fleet.inventory.loading import load

KINDS = ("podman", "docker")


def names(host: ContainerHost) -> set[str]:
    """Of all containers of the two, kept ones too."""
    listed = host.sh("podman ps --all --format '{{.Names}}'").split()
    return {name for name in listed if name.startswith(("llm-podman", "llm-docker"))}


def test_a_container_is_made_anew_and_its_own_given_back(host: ContainerHost, fleet: Path) -> None:
    before = {kind: host.container(f"llm-{kind}") for kind in KINDS}
    text = fleet.read_text()
    changes = [word for kind in KINDS for word in ("--set", f"{kind}.gpu-memory-utilization=0.3")]
    moves = ("--move", f"podman={host.name}/1", "--move", f"docker={host.name}/2")
    done = gpudeck(fleet, "apply", str(fleet), *changes, *moves, "--yes")
    assert done.returncode == 0, done.stderr
    assert names(host) == {"llm-podman", "llm-podman.gpudeck-own", "llm-docker", "llm-docker.gpudeck-own"}
    assert states(fleet) == dict.fromkeys(SERVICES, "serving")
    for kind, node in (("podman", "renderD144"), ("docker", "renderD128")):
        ours, own = host.container(f"llm-{kind}"), before[kind]
        assert ours.arguments == tuple("0.3" if word == "0.4" else word for word in own.arguments)
        assert ours.environment["HF_TOKEN"] == SECRET
        assert ours.nodes == (node,)
    assert [str(load(fleet).model(kind).place) for kind in KINDS] == [f"{host.name}/1", f"{host.name}/2"]

    done = gpudeck(fleet, "apply", str(fleet), "--remove-overlays", "--yes")
    assert done.returncode == 0, done.stderr
    assert {kind: host.container(f"llm-{kind}") for kind in KINDS} == before
    assert names(host) == {"llm-podman", "llm-docker"}
    assert fleet.read_text() == text
    kept = [path for path in fleet.parent.rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


def test_a_refused_start_is_rolled_back_to_the_very_container_that_was_there(host: ContainerHost, fleet: Path) -> None:
    before, text = host.container("llm-podman"), fleet.read_text()
    done = gpudeck(fleet, "apply", str(fleet), "--set", "podman.max-model-len=40960", "--yes")
    assert done.returncode == 1
    assert "The model's max seq len (40960) is larger than the maximum number of tokens" in done.stderr
    assert host.container("llm-podman") == before
    assert names(host) == {"llm-podman", "llm-docker"}
    assert states(fleet)["podman"] == "serving"
    assert fleet.read_text() == text
