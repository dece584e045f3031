"""Services that the operator's own commands drive."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.commands import Answer, Command, Template
from fleet.errors import GpudeckError, UsageError
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place
from fleet.planning.overlays import overlay_for
from fleet.readings import HostReading, ProcessReading, ServiceWord
from fleet.services import Service
from fleet.services.registry import service_named, service_of
from fleet.services.states import parse_states, states_command
from fleet.services.systemd import Systemd

MODEL = Model(
    "llama",
    Engine("other"),
    source="org/Llama",
    place=Place.parse("gpu01/4-6"),
    service="command:llama",
    commands=(
        ("restart", "ctl restart '{model} of {host}' --gpus={gpus} -- {arguments}"),
        ("stop", "ctl stop {model}"),
        ("status", "ctl status {model}"),
    ),
    args=Arguments({"max-model-len": 8192, "enforce-eager": True}),
)


def service(model: Model = MODEL) -> Service:
    found = service_of(model, "sudo")
    assert found is not None
    return found


def run(command: Command, folder: Path, **scripts: str) -> Answer:
    """Run it in a shell that knows these programs."""
    for name, script in scripts.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", command.line],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_fields_are_filled_in_after_the_words_are_told_apart() -> None:
    assert service().start().words == (
        "ctl", "restart", "llama of gpu01", "--gpus=4,5,6", "--", "--max-model-len", "8192", "--enforce-eager",
    )  # fmt: skip
    assert service().stop().words == ("ctl", "stop", "llama")


def test_hostile_values_stay_one_word(tmp_path: Path) -> None:
    hostile = "a b; $(reboot) `id` 'x' \"y\" \\"
    asked = service(replace(MODEL, args=Arguments({"note": hostile})))
    said = run(asked.start(), tmp_path, ctl="printf '%s\\n' \"$@\"").stdout.splitlines()
    assert said[-2:] == ["--note", hostile]


def test_a_rollback_drives_it_from_its_name_alone() -> None:
    assert service_named(service().name, "sudo") == service()


@pytest.mark.parametrize("filled", ["{", "[]", "{}", '{"restart": ["x"], "stop": [], "status": ["x"]}'])
def test_a_name_that_lacks_its_commands_is_refused(filled: str) -> None:
    with pytest.raises(UsageError, match="needs commands"):
        service_named(f"command:llama {filled}", "sudo")


def test_what_the_status_command_prints_are_its_processes(tmp_path: Path) -> None:
    found = service()
    command = states_command([found])
    state = parse_states([found], run(command, tmp_path, ctl="echo 17; echo 18"))[found.name]
    assert (state.word, state.main_pid, state.runs_as) == (ServiceWord.ACTIVE, 17, ("process:17", "process:18"))
    stopped = parse_states([found], run(command, tmp_path, ctl="echo 17; exit 3"))[found.name]
    assert (stopped.word, stopped.runs_as) == (ServiceWord.STOPPED, ())


def test_states_of_commands_and_of_units_are_read_together(tmp_path: Path) -> None:
    found, unit = service(), Systemd("a.service")
    other = service(replace(MODEL, name="other", service="command:other"))
    printed = run(
        states_command([found, unit, other]),
        tmp_path,
        ctl="test $2 = other && echo 5",
        systemctl="printf 'Id=a.service\\nActiveState=active\\n'",
    )
    states = parse_states([found, unit, other], printed)
    assert [states[each.name].word for each in (found, unit, other)] == [
        ServiceWord.STOPPED, ServiceWord.ACTIVE, ServiceWord.ACTIVE,
    ]  # fmt: skip


def test_its_processes_memory_counts_as_its_own() -> None:
    process = ProcessReading(17, 0, "S", "python", "python", None, (("0000:01:00.0", 5),))
    reading = HostReading("boot", 0, 0.0, (), (process,)).known_as({"process:17": service().name})
    assert reading.processes[0].owner == "command:llama"


def test_a_change_its_command_is_not_told_is_refused() -> None:
    silent = replace(MODEL, commands=(("restart", "ctl restart"), *MODEL.commands[1:]))
    definition = service().parse_definition(Answer(0, "", ""))

    def plan(before: Model, after: Model) -> str | None:
        return overlay_for(service(after), definition, before, after, [], accelerator("MI300X"))

    moved = {"place": Place.parse("gpu01/0")}
    assert plan(MODEL, replace(MODEL, **moved)) is None  # type: ignore[arg-type]
    with pytest.raises(GpudeckError, match="not told gpus"):
        plan(silent, replace(silent, **moved))  # type: ignore[arg-type]
    with pytest.raises(GpudeckError, match="not told enforce-eager, max-model-len"):
        plan(silent, replace(silent, args=Arguments({"max-model-len": 1})))
    with pytest.raises(GpudeckError, match="not told source"):
        plan(silent, replace(silent, source="a/small"))


def test_a_field_without_a_value_is_said() -> None:
    missing = replace(MODEL, commands=(("restart", "ctl {dtype}"), *MODEL.commands[1:]))
    with pytest.raises(UsageError, match="dtype"):
        service_of(missing, "sudo")


@pytest.mark.parametrize("text", ["", "{model} x", "ctl 'open", "ctl {a b}", "ctl }"])
def test_what_is_no_command_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match=r"command|brace"):
        Template(text)


def test_double_braces_are_single_ones() -> None:
    assert Template("ctl '{{\"a\": {x}}}'").filled({"x": ("1",)}) == ("ctl", '{"a": 1}')
