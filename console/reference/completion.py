"""Completion of gpudeck's words by a shell, as a script of that shell.

Commands, options and their named values stand in the script; names of models and hosts are asked of gpudeck, which
finds them in the fleet file it would take.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence

from console.reference.commands import Argument, Command

SHELLS: Mapping[str, Callable[[Sequence[Command]], str]]
_NAMES = {"M": "models", "M=HOST/GPUS": "models", "M.ARG=VALUE": "models", "HOST": "hosts", "CODE": "codes"}
"""What ``gpudeck completion`` prints for a value of that name."""


def _bash(commands: Sequence[Command]) -> str:
    named = [command for command in commands if command.name]
    names = " ".join(command.name for command in named)
    cases = "\n".join(_bash_case(command) for command in named)
    return f"""\
# Completion of gpudeck for bash: source it, or put it into /etc/bash_completion.d/gpudeck.
_gpudeck() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} options= words=
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W '{names} --help --version' -- "$cur") $(compgen -f -- "$cur"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $cur in -*) words=$options ;; esac
    case $words in
    @files) COMPREPLY=($(compgen -f -- "$cur")) ;;
    @none) COMPREPLY=() ;;
    @*) COMPREPLY=($(compgen -W "$(gpudeck completion "${{words#@}}" 2>/dev/null)" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    esac
}}
complete -o filenames -F _gpudeck gpudeck
"""


def _bash_case(command: Command) -> str:
    """What sets, for one command, ``options`` and the words that may come where the cursor is."""
    flags = " ".join(flag for option in command.options for flag in option.flags)
    words = shlex.quote(_bash_words(command.words[0])) if command.words else "$options"
    lines = [f"    {command.name})", f"        options='{flags}'", f"        words={words}"]
    valued = [option for option in command.options if option.value and not option.optional]
    if valued:
        cases = (
            f"        {'|'.join(option.flags)}) words={shlex.quote(_bash_words(option))} options=$words ;;"
            for option in valued
        )
        lines += ["        case $prev in", *cases, "        esac"]
    return "\n".join([*lines, "        ;;"])


def _bash_words(argument: Argument) -> str:
    """What it may be: words, or after a @ who knows them."""
    if argument.choices:
        return " ".join(argument.choices)
    return f"@{_NAMES.get(argument.value, 'files' if argument.is_file else 'none')}"


def _zsh(commands: Sequence[Command]) -> str:
    named = [command for command in commands if command.name]
    listed = "\n".join(f"        {shlex.quote(f'{command.name}:{command.summary}')}" for command in named)
    cases = "\n".join(_zsh_case(command) for command in named)
    return f"""\
#compdef gpudeck
# Completion of gpudeck for zsh: put it as _gpudeck into a folder of $fpath.
_gpudeck_names() {{ compadd -- ${{(f)"$(gpudeck completion $1 2>/dev/null)"}} }}
_gpudeck() {{
    local -a commands
    commands=(
{listed}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        _files
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
{cases}
    esac
}}
if [ "$funcstack[1]" = _gpudeck ]; then _gpudeck "$@"; else compdef _gpudeck gpudeck; fi
"""


def _zsh_case(command: Command) -> str:
    specs = [_zsh_option(flag, option) for option in command.options for flag in option.flags]
    for position, word in enumerate(command.words, 1):
        where = "*" if word.repeated else f"{position}{':' if word.optional else ''}"
        specs.append(f"{where}:{_zsh_text(word.value)}:{_zsh_values(word)}")
    body = " \\\n".join(f"            {shlex.quote(spec)}" for spec in specs)
    return f"    {command.name})\n        _arguments \\\n{body}\n        ;;"


def _zsh_option(flag: str, option: Argument) -> str:
    again = "*" if option.repeated else ""
    colons = "::" if option.optional else ":"
    value = f"{colons}{_zsh_text(option.value)}:{_zsh_values(option)}" if option.value else ""
    return f"{again}{flag}[{_zsh_text(option.help)}]{value}"


def _zsh_values(argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    asked = _NAMES.get(argument.value)
    return f" _gpudeck_names {asked}" if asked else "_files" if argument.is_file else " "


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _fish(commands: Sequence[Command]) -> str:
    lines = ["# Completion of gpudeck for fish: put it into ~/.config/fish/completions/gpudeck.fish."]
    for command in commands:
        if not command.name:
            continue
        lines.append(f"complete -c gpudeck -n __fish_use_subcommand -a {command.name} -d {_fish_text(command.summary)}")
        seen = f"complete -c gpudeck -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{seen}{_fish_option(option)} -d {_fish_text(option.help)}" for option in command.options]
        lines += [f"{seen} -f -a {values}" for word in command.words if (values := _fish_values(word))]
    return "\n".join(lines) + "\n"


def _fish_option(option: Argument) -> str:
    flags = "".join(f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in option.flags)
    if not option.value or option.optional:
        return flags
    values = _fish_values(option)
    return f"{flags} -x -a {values}" if values else f"{flags} -r"


def _fish_values(argument: Argument) -> str:
    if argument.choices:
        return _fish_text(" ".join(argument.choices))
    asked = _NAMES.get(argument.value)
    return f"'(gpudeck completion {asked} 2>/dev/null)'" if asked else ""


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""What writes the script of each shell."""
