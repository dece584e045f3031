"""The manual page, gpudeck(1), in the man macros of roff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.reference.commands import Argument, Command

_HEAD = r""".\" Made by `python -m console.reference` from the parsers of the commands.
.TH GPUDECK 1 "" gpudeck "User Commands"
.SH NAME
gpudeck \- a terminal console for people who run language-model servers on GPU hosts
.SH SYNOPSIS
.B gpudeck
.RI [ FLEET ]
.br
.B gpudeck
.IR COMMAND " ..."
.SH DESCRIPTION
gpudeck shows each GPU of a fleet with the memory its models should take and the memory they do take.
It says before a change what the engine will say after it, works out a safe order of restarts, pushes them over SSH,
watches the models come up, and takes back what fails.
.PP
.I FLEET
is a fleet file; a first word that is no command is one too.
Without it the file is
.BR $GPUDECK_FLEET ,
.I ./fleet.yaml
or
.IR fleet.yaml " in the user's configuration folder."
Every command that needs a fleet also takes
.B \-\-fleet
.IR FILE .
.B \-\-help
after a command tells its options.
.PP
Standard output is data, standard error is talk.
.SH COMMANDS
"""
_TAIL = r""".SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Findings of severity error, something that does not work, or a failed rollout.
.TP
.B 2
Wrong usage, or a bad fleet file.
.TP
.B 3
A host could not be reached.
.TP
.B 130
Interrupted.
.SH ENVIRONMENT
.TP
.B GPUDECK_FLEET
The fleet file to take where none is named.
.TP
.B COLORTERM
.BR truecolor " or " 24bit
where the terminal shows all colours; without it, its own 16 are used.
.TP
.B NO_COLOR
Where it is set, no colour is used.
.TP
.BR XDG_CONFIG_HOME ", " XDG_STATE_HOME
Where the folders below are.
.SH FILES
.TP
.I ~/.config/gpudeck/fleet.yaml
The fleet file, where no other is named.
.TP
.I ~/.local/state/gpudeck/
Of each fleet, the journal of rollouts and the history of readings.
.TP
.I ~/.ssh/config
How hosts are reached, as for
.BR ssh (1).
.SH SEE ALSO
.BR ssh (1),
.BR ssh_config (5),
.BR systemd.unit (5),
.BR sudoers (5)
"""


def manual(commands: Sequence[Command]) -> str:
    """The page as roff."""
    return _HEAD + "\n".join(line for command in commands for line in _section(command)) + "\n" + _TAIL


def _section(command: Command) -> Iterator[str]:
    first, *others = map(_escaped, command.synopsis)
    yield f".SS {first}"
    for other in others:
        yield f".B {other}"
        yield ".br"
    if others:
        yield ".PP"
    yield _escaped(command.description)
    for argument in (*command.words, *command.options):
        yield ".TP"
        yield _term(argument)
        yield _escaped(f"{argument.help[:1].upper()}{argument.help[1:]}.".replace("?.", "?"))


def _term(argument: Argument) -> str:
    value = rf"\fI{_escaped(argument.value)}\fR" if argument.value else ""
    flags = ", ".join(rf"\fB{_escaped(flag)}\fR" for flag in argument.flags)
    if flags and value and argument.optional:
        value = f"[{value}]"
    return f"{flags} {value}".strip()


def _escaped(text: str) -> str:
    """The text as roff takes it for itself: hyphens that can be copied, no request at a line's start."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...").replace("“", '"').replace("”", '"')
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
