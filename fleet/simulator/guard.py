"""A watcher that ends what sessions started even where the simulator itself is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

_SCRIPT = """
trap '' HUP INT TERM
groups=
while read -r sign group; do
    kept=
    for known in $groups; do [ "$known" = "$group" ] || kept="$kept $known"; done
    groups=$kept
    [ "$sign" = + ] && groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Guard:
    """Knows the process groups of sessions, and kills those left when its pipe closes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """A process group to be ended with the simulator."""
        self._say(f"+ {group}")

    def end(self, group: int) -> None:
        """End a process group, whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._say(f"- {group}")

    def close(self) -> None:
        """End all groups left, and the watcher."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())
