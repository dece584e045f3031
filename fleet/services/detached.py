"""Commands that run on a host by themselves, as one: whatever becomes of the line or of whoever began them.

Pure text. `launch` hands a host's shell a script and lets go of it; `follow` waits for its end, from this connection or
any later one; `forget` takes away what was kept of it. All that is kept is one file by the script's id, in a folder of
the user's alone: it is locked as long as the script runs, holds what its last command printed, and is renamed at the
end to say how that was. A name takes no room, so a disk that is full by then loses nothing.

The script belongs to no login session's group of processes, and to no terminal. It is the user's, as any command over
the line is: nothing is run as root that would not be otherwise. A script never reaches a command line or a file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleet.commands import Answer, Read, Write
from fleet.errors import GpudeckError
from fleet.services.holder import Holder, folder, renewal_text
from fleet.text import clean

FOLDER = ".gpudeck-steps"
"""In the home folder of whoever logs in."""
RENEW_SECONDS = 20
"""How often a running script says in the host's lock that it lives."""
LARGEST = 120_000
"""Bytes of a script: as much as a process may be handed in one variable."""
NOT_OURS = 75
"""Status of a script that found the host's lock to be another's, and did nothing."""
_WHOLE = "# whole"

_LAUNCH = f"""\
for tool in setsid flock; do
  command -v "$tool" >/dev/null || {{ echo "there is no $tool (of util-linux)" >&2; exit 1; }}
done
mask=$(umask); umask 077
mkdir -p {FOLDER} || exit
script=$(head -c {LARGEST})
case $script in *"{_WHOLE}") ;; *) echo "it did not arrive whole" >&2; exit 1 ;; esac
at={FOLDER}/$1 new={FOLDER}/new.$1
exec 9>"$new" || exit
flock -n 9 || exit 0
for begun in "$at" "$at".*; do
  [ ! -e "$begun" ] || {{ rm -f "$new"; exit 0; }}
done
mv "$new" "$at" || exit
umask "$mask"
detached=$(script=$script setsid sh -c 'exec >/dev/null; eval "$script"' sh "$at" </dev/null 2>/dev/null &)
"""
"""For sh, the script on its standard input: begins it, unless one of that id was begun already.

It ends when the script has let go of its output, and so is in a session of its own: nothing that ends this one ends it.
"""

_FOLLOW = f"""\
at={FOLDER}/$1 patience=$2
for look in first second; do
  set -- "$at".*
  [ ! -e "$1" ] || {{ echo "ended ${{1#"$at".}}"; tail -c 16384 "$1"; exit 0; }}
  [ ! -e "$at" ] || {{ flock -s -w "$patience" 9 || {{ echo running; exit 0; }}; }} 9<"$at"
done 2>/dev/null
[ ! -e "$at" ] || {{ echo "cut off"; exit 0; }}
echo never
"""
"""For sh: waits so many seconds for the end of the script of that id, and prints how it stands."""


class State(StrEnum):
    """How a script stands."""

    NEVER = "never"
    """None of that id was ever begun."""
    RUNNING = "running"
    CUT_OFF = "cut off"
    """It was ended from outside before it came to its end: killed, or the host went down."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """How a script stands and, once it has ended, how it did."""

    state: State
    command: int = 0
    """The number, from 1, of the last command it began; 0 where it began none."""
    status: int = 0
    """The exit status of that."""
    said: str = ""
    """What that printed, as the host sent it."""

    @property
    def is_done(self) -> bool:
        """Whether every command ended well."""
        return self.state is State.ENDED and self.status == 0

    @property
    def lost_its_lock(self) -> bool:
        """Whether it did nothing because another had locked the host."""
        return self.state is State.ENDED and (self.command, self.status) == (0, NOT_OURS)


@dataclass(frozen=True)
class Launch(Write):
    """The command that begins a script. Repeated, it does nothing: a script is begun once."""

    id: str = ""
    commands: tuple[Write, ...] = ()
    """What the script runs, one after the other, until one fails."""

    @property
    def shown_line(self) -> str:
        """The commands' own lines."""
        return "; ".join(command.shown_line for command in self.commands)


@dataclass(frozen=True)
class Follow(Read):
    """The command that waits for a script's end, and prints how it stands."""

    id: str = ""

    @property
    def shown_line(self) -> str:
        """What it is about."""
        return f"follow {self.id}"


def launch(id: str, commands: Sequence[Write], holder: Holder, become: str) -> Launch:
    """Begin a script that runs these commands while it keeps the host's lock, which has to be this holder's.

    Raises GpudeckError where it is longer than a host can be handed.
    """
    script = _script(commands, holder, become).encode()
    if len(script) > LARGEST:
        raise GpudeckError(f"The commands of one step are {len(script)} bytes; a host takes {LARGEST} at once.")
    return Launch(("sh", "-c", _LAUNCH, "sh", _checked(id)), script, _checked(id), tuple(commands))


def follow(id: str, seconds: int) -> Follow:
    """Wait so long for the end of a script."""
    return Follow(("sh", "-c", _FOLLOW, "sh", _checked(id), str(seconds)), id=id)


def forget(ids: Sequence[str]) -> Write:
    """Take away what is kept of scripts that have ended."""
    script = f'for id; do rm -f {FOLDER}/"$id" {FOLDER}/new."$id" {FOLDER}/"$id".*; done; rmdir {FOLDER} 2>/dev/null; :'
    return Write(("sh", "-c", script, "sh", *map(_checked, ids)))


def parse_progress(answer: Answer) -> Progress | None:
    """Read what `follow` printed; None where it is no such thing."""
    first, _, said = answer.stdout.partition("\n")
    ended = re.fullmatch(r"ended (\d{1,6})\.(\d{1,3})", first)
    if ended:
        return Progress(State.ENDED, int(ended[1]), int(ended[2]), said)
    return Progress(State(first)) if first in {State.NEVER, State.RUNNING, State.CUT_OFF} else None


def why_failed(progress: Progress) -> str:
    """What the last command of a script that failed said, for people."""
    return clean(progress.said.strip(), 600) or f"it ended with status {progress.status}"


def _checked(id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", id):
        raise ValueError(f"{id!r} is not the id of a script")
    return id


def _script(commands: Sequence[Write], holder: Holder, become: str) -> str:
    """What runs on the host: its lock renewed, its commands in turn, and a name that says how it ended.

    Whoever renews waits for the end of the script by its lock, and so ends with it, however that is.
    """
    lock = f"{folder(become)}/holder"
    tee = Write(("tee", lock)).as_root(become).line
    ours = shlex.quote(f'"token": "{holder.token}"')
    lines = [
        "at=$1 n=0",
        "unset script",
        f"mine() {{ case $(cat {lock} 2>/dev/null) in *{ours}*) ;; *) return 1 ;; esac; }}",
        f"renew() {{ up=$(cat /proc/uptime); printf '%s\\n' {renewal_text(holder, 'up')} | {tee} >/dev/null 2>&1; }}",
        'end() { mv "$at" "$at.$n.$1"; exit; }',
        f"mine || {{ sleep 1; mine; }} || end {NOT_OURS}",  # a file being written is empty
        "renew",
        f'( exec 8<"$at"; until flock -s -w {RENEW_SECONDS} 8; do ! mine || renew; done ) 9>&- &',
        *(_turn(n, command) for n, command in enumerate(commands, 1)),
        "end 0",
        _WHOLE,
    ]
    return "\n".join(lines)


def _turn(n: int, command: Write) -> str:
    """One command: what it prints goes to the file, and its standard input stays out of every command line."""
    if not command.stdin:
        return f'n={n}; {command.line} >"$at" 2>&1 9>&- || end $?'
    text = shlex.quote(command.stdin.decode())
    return f'n={n}; printf %s {text} | {command.line} 2>"$at" >/dev/null 9>&- || end $?'
