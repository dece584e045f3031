"""Whether a host is reached over SSH, and how well."""

from __future__ import annotations

from collections.abc import Iterator

from console.doctor import Check, Grade
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.examining import ENOUGH_SESSIONS, Examined, examine
from fleet.units import duration

SLOW_SECONDS = 0.5
"""Of the login shell: every question takes that long at least."""


async def reaching_checks(connection: HostConnection) -> list[Check]:
    """Log in as everything else does. A failed ``login`` comes last, and means that nothing more can be asked."""
    try:
        checks = list(_checks(connection.name, await examine(connection)))
    except UnreachableError as error:
        checks = [Check(connection.name, "login", Grade.FAIL, error.message, error.way_out)]
    remarks = [
        Check(connection.name, "ssh config", Grade.WARN, remark, "Take the line out, or live with it.")
        for remark in connection.remarks
    ]
    return [*remarks, *checks]


def _checks(host: str, found: Examined) -> Iterator[Check]:
    server = f" to {found.server}" if found.server else ""
    yield Check(
        host, "login", Grade.OK, f"Logged in{server} in {_span(found.login_seconds)}; its host key is in known_hosts."
    )
    slow = found.shell_seconds > SLOW_SECONDS
    yield Check(
        host,
        "shell",
        Grade.WARN if slow else Grade.OK,
        f"A command starts within {_span(found.shell_seconds)}.",
        "See what the account's profile runs there, and how far away the host is." if slow else "",
    )
    if found.noise:
        yield Check(
            host,
            "profile",
            Grade.WARN,
            f"The login shell's profile prints though nobody reads it: {found.noise!r}.",
            "gpudeck skips it; other tools (scp, rsync) may not. Print only where the shell is interactive.",
        )
    if found.sessions < ENOUGH_SESSIONS:
        yield Check(
            host,
            "sessions",
            Grade.FAIL if found.sessions < 2 else Grade.WARN,
            f"Its sshd runs {found.sessions} at once on one connection, where gpudeck wants {ENOUGH_SESSIONS}.",
            "Raise MaxSessions in its sshd_config; 10 is usual.",
        )
    else:
        yield Check(host, "sessions", Grade.OK, f"Its sshd runs {ENOUGH_SESSIONS} sessions at once and more.")


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
