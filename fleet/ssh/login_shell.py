"""What an account's login shell is given to run, and how its profile's noise is told from what we asked for.

sshd starts even a single command by the login shell; bash then reads ``~/.bashrc``, which may print, be slow, or
end the shell.
"""

from __future__ import annotations

from fleet.text import clean

MARK = b"gpudeck-begins-here\n"
"""What comes just before the command's own output."""
NOISE_LIMIT = 1 << 20
"""Bytes a profile may print before it is given up."""


def line_for(command: str) -> str:
    """The shell line that runs a command and shows where its output begins; good for sh, csh and fish alike.

    Sudo lets root's files be as closed as the account's own: a lock or an overlay must be readable all the same.
    """
    return f"umask 022; echo {MARK.decode().strip()}; exec {command}"


class Silencer:
    """Drops what comes before the command's own output."""

    def __init__(self) -> None:
        self._noise = b""
        self.begun = False
        """Whether the command runs."""

    def feed(self, chunk: bytes) -> bytes:
        """What of this chunk is the command's."""
        if self.begun:
            return chunk
        self._noise += chunk
        noise, mark, output = self._noise.partition(MARK)
        self.begun = bool(mark)
        self._noise = b"" if mark else noise
        return output

    @property
    def flooded(self) -> bool:
        """Whether there was more noise than any profile makes."""
        return len(self._noise) > NOISE_LIMIT

    @property
    def last_words(self) -> str:
        """The last line before the shell ended or went silent, made harmless; empty where it said nothing."""
        lines = self._noise.decode("utf-8", "replace").strip().splitlines()
        return clean(lines[-1]) if lines else ""
