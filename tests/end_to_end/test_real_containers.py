"""Containers of a real podman, and of Docker's command line on its socket: made anew, driven and given back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_podman import IMAGE, RealPodman, docker_on, real_podman

from fleet.commands import Command, Write
from fleet.errors import GpudeckError
from fleet.readings import ServiceReading, ServiceWord
from fleet.services import Definition
from fleet.services.arguments import with_arguments
from fleet.services.container_engine import ContainerEngine
from fleet.services.containers import Container
from fleet.services.states import parse_states, states_command
from fleet.telemetry.owners import owner

HOSTILE = "50% $HOME $(reboot) `id` 'x' \"y\" \\ é\n\x1b[31mred"
PINS = {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None, "CUDA_VISIBLE_DEVICES": None}
SERVE = 'echo "$0 $*"; env; ls /dev/dri; echo ready; trap "exit 0" TERM; while :; do sleep 1 & wait $!; done'


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPodman]:
    try:
        with real_podman(tmp_path_factory.mktemp("podman")) as podman, docker_on(podman):
            yield podman
    except LookupError as reason:
        if os.environ.get("GPUDECK_MUST_BOOT"):
            pytest.fail(f"hosts boot here, and containers do not run: {reason}")
        pytest.skip(str(reason))


@pytest.fixture(params=["podman", "docker"])
def service(request: pytest.FixtureRequest, podman: RealPodman) -> Iterator[Container]:
    kind = request.param
    if shutil.which(kind) is None:
        pytest.skip(f"there is no {kind} command")
    yield Container("llama", ContainerEngine(kind), kind)
    podman.do("podman", "rm", "--all", "--force", "--time", "0")


def device(service: Container, node: str) -> tuple[str, ...]:
    """A device as its command line gives it; Docker's asks its daemon for a word that podman does not say."""
    return () if service.kind == "docker" else ("--device", node)


def make(podman: RealPodman, service: Container, *options: str, restart: str = "no") -> str:
    """The operator's own container, serving; its id."""
    limits = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")
    return podman.do(
        service.kind, "run", "--detach", "--name", service.container, "--network", "host", "--restart", restart,
        "--env", "HF_TOKEN=hf_secret", "--env", "HIP_VISIBLE_DEVICES=3",
        *device(service, "/dev/null:/dev/dri/renderD128"), *limits, *options,
        IMAGE, SERVE, "serve", "--max-model-len", "8192",
    )  # fmt: skip


def read(podman: RealPodman, service: Container) -> Definition:
    return service.parse_definition(podman.run(service.definition()))


def state(podman: RealPodman, service: Container) -> ServiceReading:
    return parse_states([service], podman.run(states_command([service])))[service.name]


def logged(podman: RealPodman, service: Container) -> list[str]:
    """Its log once it has said all it says at its start."""
    lines: list[str] = []
    while "ready" not in lines:
        lines = podman.run(service.logs(50)).stdout.splitlines()
    return lines


def changed(podman: RealPodman, service: Container, note: str = "x") -> tuple[Write, ...]:
    definition = read(podman, service)
    argv = with_arguments(definition.argv, {"max-model-len": 4096, "note": note})
    devices = device(service, "/dev/zero:/dev/dri/renderD129")[1:] or None
    overlay = service.overlay(definition, argv, PINS, devices)
    return service.write_overlay(overlay)


def test_what_is_made_anew_differs_in_what_was_changed_only(podman: RealPodman, service: Container) -> None:
    make(podman, service)
    podman.run_all((service.stop(), *changed(podman, service), service.start()))
    said = logged(podman, service)
    assert said[0] == "serve --max-model-len 4096 --note x"
    assert {"HF_TOKEN=hf_secret", "OF_THE_IMAGE=1", "ROCR_VISIBLE_DEVICES=GPU-1a"} < set(said)
    assert not any(line.startswith("HIP_VISIBLE_DEVICES") for line in said)
    assert [line for line in said if line.startswith("renderD")] == ([] if service.kind == "docker" else ["renderD129"])
    assert read(podman, service).overlaid_argv[-4:] == ("--max-model-len", "4096", "--note", "x")


def test_taking_the_overlay_away_gives_back_the_very_same_container(podman: RealPodman, service: Container) -> None:
    own = make(podman, service)
    podman.do("podman", "exec", service.container, "/bin/sh", "-c", "echo kept >/mark")
    before = read(podman, service)
    podman.run_all((service.stop(), *changed(podman, service), service.start(), service.stop()))
    podman.run_all((*service.remove_overlay(), *service.remove_overlay(), service.start()))
    assert podman.do(service.kind, "container", "inspect", "--format", "{{.Id}}", service.container) == own
    assert podman.do("podman", "exec", service.container, "/bin/cat", "/mark") == "kept"
    assert read(podman, service) == before
    assert podman.do("podman", "ps", "--all", "--format", "{{.Names}}") == service.container


def test_overlays_follow_each_other_and_every_step_can_be_taken_again(podman: RealPodman, service: Container) -> None:
    own = make(podman, service)
    first, again = changed(podman, service, "1"), changed(podman, service, "2")
    podman.run_all((service.stop(), *first, *first, first[0], *again))
    definition = read(podman, service)
    assert definition.argv[-1] == "8192"
    assert definition.overlaid_argv[-1] == "2"
    assert definition.overlay == again[0].stdin.decode()
    assert f"from={own}" in (definition.overlay or "")
    names = podman.do("podman", "ps", "--all", "--format", "{{.Names}}").split()
    assert sorted(names) == ["llama", "llama.gpudeck-own"]


def test_what_cannot_be_made_leaves_the_old_one_as_it_was(podman: RealPodman, service: Container) -> None:
    own = make(podman, service)
    definition = read(podman, service)
    overlay = service.overlay(definition, definition.argv, {})
    create, _ = service.write_overlay(overlay.replace("--network", "--no-such-option"))
    assert not podman.run(create).ok
    assert podman.do(service.kind, "container", "inspect", "--format", "{{.Id}}", service.container) == own
    assert state(podman, service).word is ServiceWord.ACTIVE


def test_hostile_arguments_reach_the_engine_as_data(podman: RealPodman, service: Container) -> None:
    make(podman, service)
    podman.run_all((service.stop(), *changed(podman, service, HOSTILE), service.start()))
    assert read(podman, service).overlaid_argv[-1] == HOSTILE


def test_no_secret_is_on_a_command_line_or_in_the_overlay(podman: RealPodman, service: Container) -> None:
    make(podman, service)
    commands = changed(podman, service)
    assert not any("hf_secret" in command.shown for command in commands)
    podman.run_all((service.stop(), *commands))
    assert "hf_secret" not in (read(podman, service).overlay or "hf_secret")


def test_states_and_owners_meet(podman: RealPodman, service: Container) -> None:
    other = Container("missing", service.manager, service.kind)
    make(podman, service)
    states = parse_states([other, service], podman.run(states_command([other, service])))
    assert states[other.name].word is ServiceWord.MISSING
    found = states[service.name]
    assert found.word is ServiceWord.ACTIVE
    assert owner(Path(f"/proc/{found.main_pid}/cgroup").read_text()) in found.runs_as
    podman.run_all([service.stop()])
    assert state(podman, service).word is ServiceWord.STOPPED


def test_a_failed_process_is_told_from_a_stopped_one(podman: RealPodman, service: Container) -> None:
    failed = Container("broken", service.manager, service.kind)
    podman.run(Command(("podman", "run", "--name", "broken", "--network", "host", IMAGE, "exit 9")))
    assert state(podman, failed).word is ServiceWord.FAILED
    assert state(podman, failed).result == "exit code 9"


def test_volumes_only_the_image_asks_for_stay_the_same(podman: RealPodman, service: Container) -> None:
    make(podman, service, "--volume", "/cache")
    podman.do("podman", "exec", service.container, "/bin/sh", "-c", "echo kept >/cache/mark")
    podman.run_all((service.stop(), *changed(podman, service), service.start()))
    assert podman.do("podman", "exec", service.container, "/bin/cat", "/cache/mark") == "kept"


def test_a_container_that_removes_itself_is_refused(podman: RealPodman, service: Container) -> None:
    make(podman, service, "--rm")
    with pytest.raises(GpudeckError, match="removed when it stops"):
        read(podman, service)


def test_one_that_always_restarts_is_changed_only_where_its_former_self_can_be_kept_from_it(
    podman: RealPodman, service: Container
) -> None:
    make(podman, service, restart="always")
    try:
        commands = changed(podman, service)
    except GpudeckError as error:
        assert "cannot keep llama from starting" in str(error)
        assert " 4." in podman.do("podman", "--version")
        return
    policy = ("podman", "container", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}")
    podman.run_all((service.stop(), *commands))
    assert podman.do(*policy, "llama", "llama.gpudeck-own").split() == ["always", "no"]
    podman.run_all(service.remove_overlay())
    assert podman.do(*policy, "llama") == "always"
