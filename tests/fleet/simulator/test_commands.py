from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Host

WHISPER = "whisper.service"
FOLDER = "/etc/systemd/system"
DROP_IN = f"{FOLDER}/{WHISPER}.d/50-gpudeck.conf"
SUDO = ("sudo", "-n", "--")


async def test_show_prints_the_properties_asked_for_of_every_unit(host: Host) -> None:
    listed = "Id,LoadState,ActiveState,SubState,MainPID,NRestarts,Result"
    answer = await host.run("systemctl", "show", "-p", listed, WHISPER, "vllm-qwen3-32b.service", "nope.service")
    running, stopped, missing = (
        dict(line.split("=", 1) for line in block.splitlines()) for block in answer.out.split("\n\n")
    )
    assert (running["ActiveState"], running["SubState"], running["NRestarts"]) == ("active", "running", "0")
    assert int(running["MainPID"]) == host.machine.runs[WHISPER].pid
    assert (stopped["ActiveState"], stopped["MainPID"], stopped["Result"]) == ("inactive", "0", "success")
    assert (missing["LoadState"], missing["ActiveState"], missing["Id"]) == ("not-found", "inactive", "nope.service")
    assert answer.status == 0


async def test_cat_prints_every_file_of_a_unit(host: Host) -> None:
    await host.write(DROP_IN, "[Service]\nEnvironment=A=1\n")
    await host.run(*SUDO, "systemctl", "daemon-reload")
    answer = await host.run("systemctl", "cat", "--no-pager", WHISPER)
    assert answer.out.startswith(f"# {FOLDER}/{WHISPER}\n[Unit]\nDescription=kb-whisper-large on whisper\n")
    assert answer.out.endswith(f"\n# {DROP_IN}\n[Service]\nEnvironment=A=1\n")
    assert answer.err == ""


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("systemctl", "status", "x"), 4, "Unit x.service could not be found.\n"),
        (("systemctl", "cat", "x.service"), 1, "No files found for x.service.\n"),
        ((*SUDO, "systemctl", "start", "x"), 5, "Failed to start x.service: Unit x.service not found.\n"),
        ((*SUDO, "systemctl", "stop", "x"), 5, "Failed to stop x.service: Unit x.service not loaded.\n"),
        ((*SUDO, "systemctl", "restart", "x"), 5, "Failed to restart x.service: Unit x.service not found.\n"),
        (("systemctl", "fly"), 1, "Unknown command verb fly.\n"),
        (("systemctl", "--fly"), 1, "systemctl: unrecognized option '--fly'\n"),
        ((*SUDO, "fly"), 1, "sudo: fly: command not found\n"),
        (("systemctl", "daemon-reload"), 1, "Failed to reload daemon: Interactive authentication required.\n"),
    ],
)
async def test_what_cannot_be_done_is_said_as_systemd_says_it(
    host: Host, words: tuple[str, ...], status: int, message: str
) -> None:
    answer = await host.run(*words)
    assert (answer.status, answer.err) == (status, message)


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
async def test_an_ordinary_user_changes_nothing(host: Host, verb: str) -> None:
    answer = await host.run("systemctl", verb, WHISPER)
    assert answer.status == 1
    assert answer.err.startswith(f"Failed to {verb} {WHISPER}: Interactive authentication required.\n")
    assert (await host.run("systemctl", "is-active", WHISPER)).out == "active\n"


async def test_stop_returns_when_the_processes_are_gone(host: Host) -> None:
    assert (await host.run(*SUDO, "systemctl", "stop", WHISPER)).status == 0
    answer = await host.run("systemctl", "is-active", WHISPER)
    assert (answer.status, answer.out) == (3, "inactive\n")
    assert host.machine.memory.pids == tuple(
        p.pid for p in host.machine.runs["vllm-llama-3.1-8b.service"].processes[1:]
    )


async def test_restart_gives_a_new_process(host: Host) -> None:
    before = host.machine.runs[WHISPER].pid
    assert (await host.run(*SUDO, "systemctl", "restart", WHISPER)).status == 0
    run = await host.started(WHISPER)
    assert run.pid != before
    assert run.load is not None


async def test_a_changed_file_counts_only_after_daemon_reload(host: Host) -> None:
    await host.write(DROP_IN, "[Service]\nEnvironment=HIP_VISIBLE_DEVICES=5\n")
    answer = await host.run(*SUDO, "systemctl", "restart", WHISPER)
    assert answer.err == (
        f"Warning: The unit file, source configuration file or drop-ins of {WHISPER} changed on disk. "
        "Run 'systemctl daemon-reload' to reload units.\n"
    )
    assert "NeedDaemonReload=yes" in (await host.run("systemctl", "show", WHISPER)).out
    assert [card.hip_index for card in (await host.started(WHISPER)).launch.cards] == [0]
    await host.run(*SUDO, "systemctl", "daemon-reload")
    assert (await host.run(*SUDO, "systemctl", "restart", WHISPER)).err == ""
    assert [card.hip_index for card in (await host.started(WHISPER)).launch.cards] == [5]


async def test_the_overlay_gpudeck_writes_moves_a_model(host: Host) -> None:
    target = host.machine.cards[7]
    overlay = (
        "[Service]\nUnsetEnvironment=HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES\n"
        f"Environment=ROCR_VISIBLE_DEVICES=GPU-{target.unique_id}\n"
    )
    for words, stdin in (
        (("mkdir", "-p", DROP_IN.rpartition("/")[0]), ""),
        (("tee", f"{DROP_IN}.new"), overlay),
        (("mv", "-T", f"{DROP_IN}.new", DROP_IN), ""),
        (("systemctl", "daemon-reload"), ""),
        (("systemctl", "restart", WHISPER), ""),
    ):
        answer = await host.run(*SUDO, *words, stdin=stdin.encode())
        assert (answer.status, answer.err) == (0, "")
    run = await host.started(WHISPER)
    assert host.machine.memory.held(run.pid, target) > 0


async def test_a_start_that_refuses_leaves_a_failed_unit(host: Host) -> None:
    overlay = (
        "[Service]\nExecStart=\n"
        "ExecStart=/opt/vllm/bin/vllm serve meta-llama/Llama-3.1-8B-Instruct --port 8001 "
        "--gpu-memory-utilization 0.1\n"
    )
    unit = "vllm-llama-3.1-8b.service"
    await host.write(f"{FOLDER}/{unit}.d/50-gpudeck.conf", overlay)
    await host.run(*SUDO, "systemctl", "daemon-reload")
    assert (await host.run(*SUDO, "systemctl", "restart", unit)).status == 0
    await host.started(unit)
    shown = (await host.run("systemctl", "show", unit)).out
    assert "ActiveState=failed\n" in shown
    assert "Result=exit-code\n" in shown
    assert "ExecMainStatus=1\n" in shown
    status = await host.run("systemctl", "status", unit)
    assert status.status == 3
    assert "Active: failed (Result: exit-code) since Sat 2026-11-21" in status.out
    log = (await host.run("journalctl", "-u", unit, "-o", "cat", "-n", "400", "--no-pager")).out
    assert "ValueError: The model's max seq len (131072) is larger than" in log
    assert log.endswith(f"{unit}: Failed with result 'exit-code'.\n")
    assert (await host.run(*SUDO, "systemctl", "reset-failed", unit)).status == 0
    assert (await host.run("systemctl", "is-active", unit)).out == "inactive\n"


async def test_a_unit_that_names_no_program_does_not_start(host: Host) -> None:
    await host.write(DROP_IN, "[Service]\nExecStart=\n")
    await host.run(*SUDO, "systemctl", "stop", WHISPER)
    await host.run(*SUDO, "systemctl", "daemon-reload")
    answer = await host.run(*SUDO, "systemctl", "start", WHISPER)
    assert answer.status == 1
    assert f"Unit {WHISPER} has a bad unit file setting." in answer.err


async def test_a_killed_service_fails_with_its_signal(host: Host) -> None:
    await host.run(*SUDO, "systemctl", "kill", "-s", "KILL", WHISPER)
    shown = (await host.run("systemctl", "show", "-p", "ActiveState,Result", WHISPER)).out
    assert shown == "Result=signal\nActiveState=failed\n"


async def test_list_units_names_what_runs(host: Host) -> None:
    out = (await host.run("systemctl", "list-units", "--plain", "--no-legend", "--no-pager")).out
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["vllm-llama-3.1-8b.service", "loaded", "active", "running"],
        [WHISPER, "loaded", "active", "running"],
    ]


async def test_the_journal_prints_the_newest_lines_in_each_format(host: Host) -> None:
    words = ("journalctl", "-u", "whisper", "-n1", "--no-pager", "-o")
    message = "INFO:     Uvicorn running on http://0.0.0.0:8002"
    assert (await host.run(*words, "cat")).out == f"{message}\n"
    assert (await host.run(*words, "short-iso")).out.endswith(
        f" gpu01 whisper-server[{host.machine.runs[WHISPER].pid}]: {message}\n"
    )
    fields = json.loads((await host.run(*words, "json")).out)
    assert fields["MESSAGE"] == message
    assert fields["_SYSTEMD_UNIT"] == WHISPER
    assert (await host.run("journalctl", "-u", "nope", "--no-pager")).out == "-- No entries --\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (
            ("mkdir", "/no/such/folder"),
            1,
            "mkdir: cannot create directory '/no/such/folder': No such file or directory\n",
        ),
        (("tee", "/no/such/file"), 1, "tee: /no/such/file: No such file or directory\n"),
        (("tee", "/sys/x"), 1, "tee: /sys/x: Read-only file system\n"),
        (("mv", "-T", "/etc/a", "/etc/b"), 1, "mv: cannot stat '/etc/a': No such file or directory\n"),
        (("rm", "/etc/a"), 1, "rm: cannot remove '/etc/a': No such file or directory\n"),
        (("rm", "-f", "/etc/a"), 0, ""),
        (("cat", "/etc/a"), 1, "cat: /etc/a: No such file or directory\n"),
        (("true",), 0, ""),
    ],
)
async def test_file_commands_of_root_answer_as_usual(
    host: Host, words: tuple[str, ...], status: int, message: str
) -> None:
    answer = await host.run(*SUDO, *words)
    assert (answer.status, answer.err) == (status, message)


async def test_file_commands_stay_below_the_hosts_root(host: Host) -> None:
    await host.write("/../../../../escaped.conf", "text")
    assert (host.root / "escaped.conf").read_text() == "text"
    assert (await host.run(*SUDO, "cat", "/etc/../escaped.conf")).out == "text"
