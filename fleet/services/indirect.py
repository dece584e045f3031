"""Changing an engine's arguments where the operator really writes them: on the command line, or in a variable.

Command lines are often a script's, or end in ``$VLLM_ARGS`` from a file of variables. The variable is changed then.
What cannot be changed from outside is refused with the place to edit; nothing is guessed from a running process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from fleet.errors import GpudeckError, UsageError
from fleet.model import Scalar
from fleet.services import Definition
from fleet.services.arguments import SHORT, check_no_secret, is_shell, read_arguments, with_arguments
from fleet.services.serve_line import read
from fleet.text import clean

_HOLDS_ARGUMENTS = re.compile(r"(^|_)(ARGS?|ARGUMENTS|OPTS?|OPTIONS|FLAGS|PARAMS)$")
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def named_arguments(definition: Definition) -> frozenset[str]:
    """Every argument that the command line, a variable or our overlay gives, under the fleet file's spelling."""
    return frozenset({*own_arguments(definition), *own_arguments(definition, with_overlay=True)})


def own_arguments(definition: Definition, *, with_overlay: bool = False) -> dict[str, Scalar]:
    """The arguments that the operator's own command line and variables give; or those with our overlay in effect."""
    argv, environment = definition.argv, definition.environment
    if with_overlay:
        argv, environment = definition.overlaid_argv or argv, {**environment, **definition.overlaid_environment}
    found = {} if is_shell(argv) else read_arguments(argv)
    for name in argument_variables(definition):
        found |= read_arguments(("", *environment[name].split()))
    return found


def gives_all_arguments(definition: Definition) -> bool:
    """Whether the operator's own command line is the engine's, so that an argument it does not give is not given."""
    argv = definition.argv
    if is_shell(argv) or any(_REFERENCE.search(word) for word in argv) or any(argument_variables(definition)):
        return False
    try:
        read(argv)
    except UsageError:
        return False
    return True


def with_changes(definition: Definition, wanted: Mapping[str, Scalar]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line with these arguments changed, and the variables to set so that they are.

    Raises GpudeckError, with the place to edit, where they come from where we cannot change them.
    """
    argv, variables = definition.argv, {}
    left = dict(wanted)
    for name in argument_variables(definition):
        words = ("", *definition.environment[name].split())
        given = {SHORT.get(flag, flag) for flag in read_arguments(words)}
        here = {flag: value for flag, value in left.items() if SHORT.get(flag, flag) in given}
        changed = with_arguments(words, here)
        left = {flag: value for flag, value in left.items() if flag not in here}
        if changed == words:
            continue
        if f"${name}" in argv and not is_shell(argv):
            argv = _replaced(argv, f"${name}", changed[1:])  # the manager fills it in before any of ours counts
        else:
            variables[name] = joined(definition, name, changed[1:])
    if with_arguments(argv, left) == argv:
        _check_rewritable(definition, argv)
        return argv, variables
    if not _is_the_engines(argv, left):
        variables |= _added(definition, variables, left)
        return argv, variables
    argv = with_arguments(argv, left)
    _check_rewritable(definition, argv)
    return argv, variables


def _check_rewritable(definition: Definition, argv: Sequence[str]) -> None:
    if argv != definition.argv:
        check_no_secret(argv)


def _is_the_engines(argv: Sequence[str], wanted: Mapping[str, Scalar]) -> bool:
    """Whether the words are arguments of the engine itself, rather than of a script around it."""
    if is_shell(argv):
        return False
    given = {SHORT.get(flag, flag) for flag in read_arguments(argv)}
    if all(SHORT.get(flag, flag) in given for flag in wanted):
        return True
    try:
        read(argv)
    except UsageError:
        return False
    return True


def argument_variables(definition: Definition) -> Iterator[str]:
    """The variables that hold arguments: those the command line names, or else those called as if they did."""
    named = references(" ".join(definition.argv))
    for name in named or definition.environment:
        if _HOLDS_ARGUMENTS.search(name) and name in definition.environment:
            yield name


def references(text: str) -> tuple[str, ...]:
    """The variables that a text refers to, ``$NAME`` or ``${NAME}``, each once."""
    return tuple(dict.fromkeys(match[1] or match[2] for match in _REFERENCE.finditer(text)))


def _added(definition: Definition, changed: Mapping[str, str], wanted: Mapping[str, Scalar]) -> dict[str, str]:
    """The one variable that can take further arguments, with them. Raises GpudeckError where there is not one."""
    names = list(argument_variables(definition))
    script = " ".join(definition.argv).replace("_", "-")
    if len(names) != 1 or any(f"--{flag}" in script for flag in wanted):
        raise _refusal(definition, wanted)
    name = names[0]
    words = ("", *changed.get(name, definition.environment[name]).split())
    return {name: joined(definition, name, with_arguments(words, wanted)[1:])}


def _refusal(definition: Definition, wanted: Mapping[str, Scalar]) -> GpudeckError:
    program = clean(definition.argv[0].rpartition("/")[2], 60)
    flags = ", ".join(f"--{clean(flag, 60)}" for flag in wanted)
    return GpudeckError(
        f"its command line is a script run by {program}, and {flags} cannot be changed from outside.",
        f"Change it in {' or '.join(places(definition))}, let the script take its arguments from a variable such as "
        "VLLM_ARGS, or let the service run the engine itself.",
    )


def places(definition: Definition) -> list[str]:
    """The files an operator would look at: the service's own, those of variables, and the script."""
    inline = is_shell(definition.argv) and "-c" in definition.argv
    scripts = [] if inline else [word for word in definition.argv if word.startswith("/")]
    script = scripts[1:2] or scripts[:1] if is_shell(definition.argv) else scripts[:1]
    places = dict.fromkeys((*definition.files, *definition.environment_files.values(), *script))
    return [clean(place, 120) for place in places] or ["the service's own definition"]


def _replaced(argv: Sequence[str], word: str, words: Sequence[str]) -> tuple[str, ...]:
    return tuple(new for old in argv for new in (words if old == word else (old,)))


def joined(definition: Definition, name: str, words: Sequence[str]) -> str:
    """The words as a variable holds them: a shell splits them at blanks and undoes no quotes.

    Raises GpudeckError, with the place to edit, for words that would not be kept together, or hold a secret.
    """
    check_no_secret(("", *words))
    if any(re.search(r"[\s'\"\\*?\[$`]", word) for word in words):
        raise GpudeckError(
            f"its variable {name} holds, or would hold, words with blanks or quotes, which no shell keeps together.",
            f"Change it in {clean(definition.environment_files.get(name) or places(definition)[0], 120)}.",
        )
    return " ".join(words)
