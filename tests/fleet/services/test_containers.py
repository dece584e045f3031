"""What makes a container again, told from what ``container inspect`` prints; run for real in tests/end_to_end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition, MissingServiceError
from fleet.services.container_engine import ContainerEngine
from fleet.services.containers import Container

DOCKER = Container("llama", ContainerEngine("docker", "sudo"), "docker")
ID = "3a9934e995a1" + 52 * "0"
IMAGE = "sha256:" + 64 * "1"


def inspected(host: Mapping[str, Any] | None = None, config: Mapping[str, Any] | None = None, **facts: Any) -> Any:
    """A container as Docker prints it, with what its defaults are."""
    return {
        "Id": ID,
        "Name": "/llama",
        "Path": "vllm",
        "Args": ["serve", "m", "--max-model-len", "8192"],
        "Image": IMAGE,
        "Mounts": [],
        "NetworkSettings": {"Networks": {"bridge": {"Aliases": None}}},
        "Config": {
            "Hostname": ID[:12], "Env": ["PATH=/bin", "HF_TOKEN=hf_secret"], "Cmd": ["serve"], "Labels": {},
            "WorkingDir": "", "User": "", "Tty": False, "OpenStdin": False, **(config or {}),
        },
        "HostConfig": {
            "Binds": None, "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "bridge",
            "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": False,
            "CapAdd": None, "CgroupnsMode": "private", "IpcMode": "private", "ShmSize": 67108864, "Runtime": "runc",
            "Devices": [], "DeviceRequests": None, "MaskedPaths": ["/proc/acpi"], "ReadonlyPaths": ["/proc/bus"],
            "ConsoleSize": [0, 0], "Isolation": "", "MemorySwappiness": None, **(host or {}),
        },
        **facts,
    }  # fmt: skip


def definition(*containers: Any) -> Definition:
    return DOCKER.parse_definition(Answer(0, json.dumps(containers), ""))


def options(**facts: Any) -> str:
    words = shlex.split(definition(inspected(**facts)).command)
    return shlex.join(words[1 : words.index("--entrypoint")])


MADE_BY_COMPOSE = {
    "com.docker.compose.service": "x",
    "com.docker.compose.project.config_files": "/srv/llm/compose.yaml,/srv/llm/compose.override.yaml",
}
USUAL = "--cgroupns private --ipc private --shm-size 67108864 --log-driver json-file"


@pytest.mark.parametrize(
    ("host", "config", "said"),
    [
        ({"Binds": ["/data:/data:ro"]}, {}, "--volume /data:/data:ro"),
        ({"Mounts": [{"Type": "bind", "Source": "/a b", "Target": "/c", "ReadOnly": True}]}, {},
         "--mount 'type=bind,source=/a b,target=/c,readonly'"),
        ({"Devices": [{"PathOnHost": "/dev/kfd", "PathInContainer": "/dev/kfd", "CgroupPermissions": "rwm"}]}, {},
         "--device /dev/kfd:/dev/kfd:rwm"),
        ({"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8001"}]}}, {},
         "--publish 127.0.0.1:8001:8000/tcp"),
        ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}, {}, "--restart on-failure:3"),
        ({"NanoCpus": 1500000000, "Memory": 1024}, {}, "--memory 1024 --cpus 1.5"),
        ({"Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}]}, {}, "--ulimit memlock=-1:-1"),
        ({"GroupAdd": ["video", "render"], "SecurityOpt": ["seccomp=unconfined"]}, {},
         "--group-add video --group-add render --security-opt seccomp=unconfined"),
        ({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]], "DeviceIDs": None, "Options": {}}]}, {},
         "--gpus all"),
        ({}, {"User": "1000", "Labels": {"team": "llm ops"}}, "--user 1000 --label 'team=llm ops'"),
        ({}, {"Hostname": "llama", "Healthcheck": {"Test": ["CMD-SHELL", "curl x"]}},
         "--hostname llama --health-cmd 'curl x'"),
    ],
)  # fmt: skip
def test_a_setting_becomes_the_option_that_gives_it(host: Any, config: Any, said: str) -> None:
    found = shlex.split(options(host=host, config=config))
    assert [word for word in found if word not in shlex.split(USUAL)] == [
        word for word in shlex.split(said) if word not in shlex.split(USUAL)
    ]


def test_the_environment_is_in_no_option() -> None:
    found = definition(inspected())
    assert "hf_secret" not in found.command
    assert found.environment["HF_TOKEN"] == "hf_secret"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"host": {"BlkioWeight": 300}}, "no option gives it its BlkioWeight"),
        ({"host": {"AutoRemove": True}}, "removed when it stops"),
        ({"config": {"Labels": {"com.docker.compose.service": "x"}}}, "docker compose makes it"),
        ({"config": {"Labels": MADE_BY_COMPOSE}}, "service: compose:/srv/llm/compose.yaml:x"),
        ({"config": {"Labels": {"PODMAN_SYSTEMD_UNIT": "x.service"}}}, "the unit x.service makes it"),
        ({"NetworkSettings": {"Networks": {"a": {}, "b": {}}}}, "several networks"),
        ({"config": {"Env": ["A=1\n2"]}}, "line break"),
        ({"config": None, "Config": []}, "cannot be read"),
    ],
)
def test_what_could_not_be_made_again_whole_is_refused(facts: dict[str, Any], why: str) -> None:
    with pytest.raises(GpudeckError, match=why):
        definition(inspected(**facts))


def test_a_secret_among_the_arguments_is_not_copied() -> None:
    found = definition(inspected(Args=["serve", "m", "--api-key", "sk-1"]))
    with pytest.raises(GpudeckError, match="--api-key"):
        DOCKER.overlay(found, found.argv, {"ROCR_VISIBLE_DEVICES": "GPU-1a"})


def test_the_kept_container_is_the_definition_and_ours_the_overlay() -> None:
    own = inspected(Name="/llama.gpudeck-own")
    ours = inspected(Id="f" * 64, config={"Labels": {"gpudeck.overlay": "x"}, "Env": ["PATH=/bin", "A=1"]}, Path="v")
    found = definition(ours, own)
    assert f"from={ID}" in found.command
    assert found.overlay == "x\n"
    assert found.overlaid_argv[0] == "v"
    assert found.overlaid_environment == {"A": "1"}


@pytest.mark.parametrize(
    ("containers", "why"),
    [
        ([inspected(Name="/llama.gpudeck-own")], "rename llama.gpudeck-own llama"),
        ([inspected(Name="/llama.gpudeck-own"), inspected()], "rm llama.gpudeck-own"),
        ([inspected(config={"Labels": {"gpudeck.overlay": "x"}})], "Make it by hand"),
    ],
)
def test_what_somebody_else_did_meanwhile_is_said_with_the_way_out(containers: list[Any], why: str) -> None:
    with pytest.raises(GpudeckError) as refused:
        definition(*containers)
    assert why in refused.value.way_out


def test_a_missing_container_is_a_missing_service() -> None:
    with pytest.raises(MissingServiceError, match="There is no container llama: no such thing"):
        DOCKER.parse_definition(Answer(1, "[]", "no such thing"))


def test_a_restart_policy_that_outlives_a_stop_is_put_away_with_the_kept_container() -> None:
    _, swap = DOCKER.write_overlay(DOCKER.overlay(definition(inspected()), ("vllm",), {}))
    assert "update --restart=no" in swap.words[2]
    (back,) = DOCKER.remove_overlay()
    assert "update --restart=always" in back.words[2]
    assert swap.words[-2:] == ("sudo -n -- docker", "llama")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a;b", "$(id)", "llama.gpudeck-own", "a\n", "\x1b[31m"])
def test_a_name_that_is_no_containers_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not the name of a container"):
        Container(name, ContainerEngine("docker"), "docker")


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("Client:       Podman Engine\nVersion:      4.9.3\n", True),
        ("Client:\n Version: 28.2.2\n\nServer: linux\n Podman Engine:\n  Version:          5.0.3\n", True),
        ("Client:       Podman Engine\nVersion:      5.4.2\n", False),
        ("Client: Docker Engine - Community\n Version:           20.10.24\n", False),
    ],
)
def test_one_that_always_restarts_is_refused_where_that_cannot_be_changed(version: str, refused: bool) -> None:
    always = inspected(host={"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}})
    found = DOCKER.parse_definition(Answer(0, f"{json.dumps([always])}\n{version}", ""))
    if refused:
        with pytest.raises(GpudeckError, match="cannot keep llama from starting beside its successor"):
            DOCKER.overlay(found, found.argv, {})
    else:
        assert "--restart always" in DOCKER.overlay(found, found.argv, {})
