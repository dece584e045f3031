"""How well a host is reached, by a real OpenSSH server."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from openssh import MISSING, client_config, openssh_server

from console.doctor import Check, Grade
from console.doctor.reaching import reaching_checks
from fleet.ssh.connection import HostConnection

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


async def checks(ssh_config: Path) -> dict[str, Check]:
    connection = HostConnection("gpu01", "gpu01", ssh_config)
    try:
        return {check.subject: check for check in await reaching_checks(connection)}
    finally:
        await connection.close()


async def test_a_usual_host_is_fine(tmp_path: Path) -> None:
    with openssh_server(tmp_path) as server:
        found = await checks(server.ssh_config)
    assert {subject for subject in found if found[subject].grade is Grade.OK} == {"login", "shell", "sessions"}
    assert "OpenSSH" in found["login"].message


@pytest.mark.parametrize(("allowed", "grade"), [(1, Grade.FAIL), (2, Grade.WARN)])
async def test_few_sessions_are_counted(allowed: int, grade: Grade, tmp_path: Path) -> None:
    with openssh_server(tmp_path, f"MaxSessions {allowed}") as server:
        found = (await checks(server.ssh_config))["sessions"]
    assert (found.grade, f"runs {allowed} at once" in found.message) == (grade, True)


async def test_a_keyword_that_is_not_obeyed_is_told_beside_the_login(tmp_path: Path) -> None:
    with openssh_server(tmp_path / "sshd") as server:
        found = await checks(client_config(server, tmp_path, StrictHostKeyChecking="no"))
    assert found["ssh config"].grade is Grade.WARN
    assert "StrictHostKeyChecking no is not obeyed" in found["ssh config"].message
    assert found["login"].grade is Grade.OK


async def test_a_host_that_is_not_known_fails_with_its_way_out(tmp_path: Path) -> None:
    with openssh_server(tmp_path / "sshd") as server:
        (tmp_path / "empty").touch()
        found = await checks(client_config(server, tmp_path, UserKnownHostsFile=str(tmp_path / "empty")))
    assert list(found) == ["login"]
    assert found["login"].grade is Grade.FAIL
    assert "is not known yet" in found["login"].message
    assert "log in once with" in found["login"].way_out


@pytest.mark.skipif(
    not pwd.getpwuid(os.getuid()).pw_shell.endswith("/bash"),
    reason="the login shell reads no profile for a single command",
)
async def test_a_profile_that_prints_is_told_with_what_it_prints(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo Welcome to gpu01; echo have fun\n")
    with openssh_server(tmp_path / "sshd", f"SetEnv HOME={tmp_path}") as server:
        found = await checks(server.ssh_config)
    assert found["profile"].grade is Grade.WARN
    assert "'Welcome to gpu01'" in found["profile"].message
