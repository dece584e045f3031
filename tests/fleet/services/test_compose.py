"""Services of a compose file: one more file beside the operator's, and nothing of theirs touched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.commands import Answer, Command
from fleet.errors import GpudeckError, UsageError
from fleet.readings import ServiceWord
from fleet.services.arguments import with_arguments
from fleet.services.compose import Compose
from fleet.services.registry import service_named
from fleet.services.states import parse_states, states_command

FACTS: dict[str, Any] = {
    "image": "vllm/vllm-openai:v0.9.1",
    "command": ["--model", "m", "--max-model-len", "8192", "--note", "50% $$HOME"],
    "environment": {"HF_TOKEN": "hf_secret", "HIP_VISIBLE_DEVICES": "3"},
    "devices": [
        {"source": "/dev/kfd", "target": "/dev/kfd", "permissions": "rwm"},
        {"source": "/dev/dri", "target": "/dev/dri", "permissions": "rwm"},
    ],
}
PINS = {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None}
SERVICE = Compose("/srv/llm/compose.yaml", "llama")
HOSTILE = "50% $HOME $(reboot) 'x' \"y\" \\ é\n: # - !x"


class _Loader(yaml.SafeLoader):
    """Reads compose's tags as what they are put before."""


def _tagged(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else None


_Loader.add_constructor("!override", _tagged)
_Loader.add_constructor("!reset", _tagged)


def config(**services: Any) -> str:
    return json.dumps({"name": "llm", "services": services})


def run(command: Command, folder: Path, docker: str) -> Answer:
    """Run it in a shell whose ``docker`` is this script."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{docker}\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", command.line],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        input=command.stdin,
        capture_output=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def overlaid(argument: str) -> Any:
    definition = SERVICE.parse_definition(Answer(0, config(llama=FACTS), ""))
    argv = with_arguments(definition.argv, {"max-model-len": 4096, "note": argument})
    text = SERVICE.overlay(definition, argv, PINS, ["/dev/dri/renderD129"])
    assert "hf_secret" not in text
    assert "HIP_VISIBLE_DEVICES: !reset null" in text
    return yaml.load(text, _Loader)["services"]["llama"]


def test_the_overlay_is_a_compose_file_with_what_changes_and_nothing_else() -> None:
    assert overlaid("x") == {
        "command": ["--model", "m", "--max-model-len", "4096", "--note", "x"],
        "environment": {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None},
        "devices": ["/dev/kfd:/dev/kfd", "/dev/dri/renderD129:/dev/dri/renderD129"],
    }


def test_hostile_arguments_stay_data_and_compose_fills_nothing_in() -> None:
    assert overlaid(HOSTILE)["command"][-1] == HOSTILE.replace("$", "$$")


def test_the_definition_is_the_operators_own_and_ours_is_told_apart(tmp_path: Path) -> None:
    service = Compose(f"{tmp_path}/compose.yaml", "llama")
    (tmp_path / "docker-compose.override.yml").write_text("services: {}\n")
    docker = (
        f'echo "$*" >>{tmp_path}/asked\n'
        f"case $* in *gpudeck*) printf '%s' '{config(llama={**FACTS, 'command': ['--model', 'm']})}' ;;\n"
        f"*) printf '%s\\n' '{config(llama=FACTS)}' ;; esac"
    )
    assert service.parse_definition(run(service.definition(), tmp_path, docker)).overlay is None
    Path(service.path).write_text("services: {}\n")
    found = service.parse_definition(run(service.definition(), tmp_path, docker))
    assert found.argv == ("vllm/vllm-openai:v0.9.1", *FACTS["command"][:5], "50% $HOME")
    assert found.overlaid_argv[1:] == ("--model", "m")
    assert found.overlay == "services: {}\n"
    assert (tmp_path / "asked").read_text().splitlines()[0] == (
        f"compose -f {tmp_path}/compose.yaml -f {tmp_path}/docker-compose.override.yml config --format json"
    )


def test_it_is_started_with_our_file_where_there_is_one(tmp_path: Path) -> None:
    service = Compose(f"{tmp_path}/compose.yaml", "llama")
    for command in service.write_overlay("x\n"):
        assert run(command, tmp_path, "").ok
    assert Path(service.path).read_text() == "x\n"
    started = run(service.start(), tmp_path, 'echo "$*"').stdout
    assert started == f"compose -f {service.file} -f {service.path} up --detach --no-deps --no-build llama\n"
    for command in service.remove_overlay():
        assert run(command, tmp_path, "").ok
    assert service.path not in run(service.start(), tmp_path, 'echo "$*"').stdout


def test_its_container_is_found_by_composes_labels(tmp_path: Path) -> None:
    other = Compose("/srv/llm/compose.yaml", "none")
    docker = (
        "case $* in *service=llama*working_dir=/srv/llm*) echo id ;;\n"
        "*inspect*) echo '/llm-llama-1 running 17 2 0 abc' ;; esac"
    )
    states = parse_states([other, SERVICE], run(states_command([other, SERVICE]), tmp_path, docker))
    assert states[SERVICE.name].word is ServiceWord.ACTIVE
    assert states[SERVICE.name].runs_as == ("docker:abc", "podman:abc")
    assert states[other.name].word is ServiceWord.STOPPED


def test_a_service_that_is_not_in_the_file_is_refused() -> None:
    with pytest.raises(GpudeckError, match="no service llama"):
        SERVICE.parse_definition(Answer(0, config(other=FACTS), ""))
    with pytest.raises(GpudeckError, match="no such file"):
        SERVICE.parse_definition(Answer(1, "", "no such file"))


def test_a_fleet_file_names_a_file_and_a_service() -> None:
    assert service_named("compose:/srv/llm/compose.yaml:llama", "sudo") == Compose(
        "/srv/llm/compose.yaml", "llama", "sudo"
    )


@pytest.mark.parametrize(
    "name", ["compose.yaml:a", "/a/../b.yaml:a", "/a b.yaml:x", "/a.yaml:$(id)", "/a.yaml", "/axyaml:a"]
)
def test_a_name_that_is_no_file_and_service_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        service_named(f"compose:{name}", "none")
