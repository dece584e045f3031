"""From the fleet file's words to services, and their states read together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.commands import Answer
from fleet.errors import UsageError
from fleet.model import Engine, Model
from fleet.readings import ServiceReading, ServiceWord
from fleet.services.registry import service_of
from fleet.services.states import parse_states, states_command
from fleet.services.systemd import Systemd

MODEL = Model("llama", Engine("vllm"), service="systemd:llama.service")


def block(unit: str, load: str, active: str, pid: int = 0, restarts: int = 0, result: str = "success") -> str:
    return (
        f"Id={unit}\nLoadState={load}\nActiveState={active}\nSubState=x\n"
        f"MainPID={pid}\nNRestarts={restarts}\nResult={result}\n"
    )


def test_a_fleet_file_names_units_of_the_system_and_of_the_user() -> None:
    assert service_of(MODEL, "sudo") == Systemd("llama.service", "sudo")
    user = service_of(replace(MODEL, service="systemd-user:llama.service"), "none")
    assert user == Systemd("llama.service", "none", user=True)
    assert service_of(replace(MODEL, service=None), "sudo") is None


@pytest.mark.parametrize(
    "written", ["llama.service", "docker:a b", "podman:-x", "lxc:llama", "systemd:llama", "systemd:a/b.service"]
)
def test_a_service_nobody_can_make_sense_of_is_refused(written: str) -> None:
    with pytest.raises(UsageError):
        service_of(replace(MODEL, service=written), "sudo")


def test_all_units_of_a_host_are_asked_by_one_command() -> None:
    command = states_command([Systemd("a.service"), Systemd("b.service")])
    assert command.line == (
        "systemctl show -p Id,LoadState,ActiveState,SubState,MainPID,NRestarts,Result,InvocationID a.service b.service"
    )


def test_system_and_user_units_are_asked_by_one_shell() -> None:
    services = [Systemd("a.service", user=True), Systemd("b.service")]
    assert states_command(services).words[:2] == ("sh", "-c")
    printed = f"{block('a.service', 'loaded', 'failed')}\n@gpudeck-next\n{block('b.service', 'loaded', 'active')}"
    answer = Answer(0, printed, "")
    states = parse_states(services, answer)
    assert states["systemd:b.service"].word is ServiceWord.ACTIVE
    assert states["systemd-user:a.service"].word is ServiceWord.FAILED


@pytest.mark.parametrize(
    ("load", "active", "word"),
    [
        ("loaded", "active", ServiceWord.ACTIVE),
        ("loaded", "activating", ServiceWord.STARTING),
        ("loaded", "deactivating", ServiceWord.STOPPING),
        ("loaded", "inactive", ServiceWord.STOPPED),
        ("loaded", "failed", ServiceWord.FAILED),
        ("masked", "inactive", ServiceWord.STOPPED),
        ("not-found", "inactive", ServiceWord.MISSING),
        ("bad-setting", "inactive", ServiceWord.FAILED),
        ("not-found", "active", ServiceWord.ACTIVE),
    ],
)
def test_the_managers_words_become_ours(load: str, active: str, word: ServiceWord) -> None:
    states = parse_states([Systemd("a.service")], Answer(0, block("a.service", load, active), ""))
    assert states["systemd:a.service"].word is word


def test_a_reading_holds_pid_restarts_and_result() -> None:
    answer = Answer(0, block("a.service", "loaded", "failed", 0, 7, "exit-code"), "")
    reading = parse_states([Systemd("a.service")], answer)["systemd:a.service"]
    assert reading == ServiceReading(ServiceWord.FAILED, 0, 7, "exit-code")


def test_a_service_that_was_not_printed_has_no_state() -> None:
    services = [Systemd("a.service"), Systemd("b.service")]
    states = parse_states(services, Answer(0, block("b.service", "loaded", "active"), ""))
    assert list(states) == ["systemd:b.service"]


def test_an_alias_is_found_by_its_position() -> None:
    services = [Systemd("alias.service"), Systemd("b.service")]
    printed = f"{block('real.service', 'loaded', 'active', 9)}\n{block('b.service', 'loaded', 'inactive')}"
    assert parse_states(services, Answer(0, printed, ""))["systemd:alias.service"].main_pid == 9
