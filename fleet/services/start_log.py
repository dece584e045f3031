"""What a service printed since its newest start, what runs in it, and its plan: commands that read, and are bounded."""

from __future__ import annotations

import json
import re

from fleet.commands import Answer, Read
from fleet.services import Service
from fleet.services.systemd import Systemd

LOG_BYTES = 256 * 1024
"""An engine's start takes a tenth of it; what is beyond is of requests."""
COMMAND_BYTES = 64 * 1024
PLAN_BYTES = 4096
_PLAN = re.compile(r"/[\w./@+-]{1,400}/startup_plan_[0-9a-f]{16}\.json")
_INVOCATION = re.compile(r"[0-9a-f]{32}")
_LOG = f'"$@" | head -c {LOG_BYTES}'
_COMMAND = f'head -c {COMMAND_BYTES} "${{PROBE_ROOT:-}}/proc/$1/cmdline"'


def start_log(service: Service, invocation: str, become: str = "none") -> Read | None:
    """The command that prints the first lines of one run of a service, each with its seconds since the host's boot.

    ``invocation`` is the manager's id of the run; ``become`` = how to read as root, ``sudo`` or ``none``. None for a
    service whose manager keeps no such thing.
    """
    if not isinstance(service, Systemd) or not _INVOCATION.fullmatch(invocation):
        return None
    scope = ("--user",) if service.user else ()
    # --all: lines with colours in them are data to journalctl, which shows only their length
    options = ("--quiet", "--all", "--no-pager", "-o", "short-monotonic")
    journal = Read(("journalctl", *scope, *options, f"_SYSTEMD_INVOCATION_ID={invocation}")).as_root(become)
    return Read(("sh", "-c", _LOG, "sh", *journal.words))


def command_line(pid: int) -> Read:
    """The command that prints a process's command line."""
    return Read(("sh", "-c", _COMMAND, "sh", str(pid)))


def plan_file(path: str) -> Read | None:
    """The command that prints a start-up plan of vLLM; None where the path is not that of one."""
    return Read(("head", "-c", str(PLAN_BYTES), "--", path)) if _PLAN.fullmatch(path) and "/../" not in path else None


def parse_plan(answer: Answer) -> int | None:
    """Bytes of the KV cache of the next start; None where the file holds no such plan, or is not ours to read."""
    try:
        plan = json.loads(answer.stdout) if answer.ok else None
    except ValueError:
        return None
    size = plan.get("kv_cache_memory_bytes") if isinstance(plan, dict) and plan.get("schema") == 1 else None
    return size if isinstance(size, int) and not isinstance(size, bool) and 0 < size < 1 << 50 else None


def parse_command_line(answer: Answer) -> tuple[str, ...]:
    """Its words; empty where there is no such process, or it shows none."""
    if not answer.ok:
        return ()
    return tuple(answer.stdout.removesuffix("\0").split("\0")) if answer.stdout else ()
