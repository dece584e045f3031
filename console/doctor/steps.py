"""Whether a host can run a rollout's steps by itself, to their end, whatever becomes of our line to it."""

from __future__ import annotations

from console.doctor import Check, Grade
from fleet.commands import Read
from fleet.inventory import Host
from fleet.ssh.probe_only import ProbeOnly
from fleet.text import clean

_ASK = """\
id -un
for tool in setsid flock; do command -v "$tool" >/dev/null || echo "missing $tool"; done
[ -w . ] || echo "closed $PWD"
loginctl show-session -p KillUserProcesses -p KillExcludeUsers 2>/dev/null || :
"""
"""For sh: who we are there, what is missing, and what becomes of our processes when we log out."""


async def step_checks(probe: ProbeOnly, host: Host) -> list[Check]:
    """Its tools, its home folder, and whether it lets a step outlive the login that began it."""
    told = (await probe.read(Read(("sh", "-c", _ASK)))).stdout.splitlines()
    user, *facts = [clean(line, 160) for line in told] or [""]
    return [_grade(host.name, user, facts)]


def _grade(host: str, user: str, facts: list[str]) -> Check:
    for fact in facts:
        word, _, what = fact.partition(" ")
        if word == "missing":
            return _failed(host, f"It has no {what}, without which no step is begun.", "Install util-linux.")
        if word == "closed":
            return _failed(
                host, f"{user} may not write in {what}, where it keeps how steps ended.", "Give it a home folder."
            )
    settings = dict(fact.split("=", 1) for fact in facts if "=" in fact)
    if settings.get("KillUserProcesses") == "yes" and user not in settings.get("KillExcludeUsers", "").split():
        return _failed(
            host,
            f"It kills what {user} left running when its last login ends, a step under way as well.",
            f"Write KillExcludeUsers=root {user} into /etc/systemd/logind.conf.",
        )
    return Check(host, "steps", Grade.OK, "A step that was begun is finished there, whatever becomes of the line.")


def _failed(host: str, message: str, way_out: str) -> Check:
    return Check(host, "steps", Grade.FAIL, message, way_out)
