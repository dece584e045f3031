"""Which checkpoint a service's own definition serves, and the same definition with another one.

It is named by a flag such as ``--model``, by the word after ``vllm serve``, or in a variable that a script is given.
A script that names it itself is the operator's to edit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from fleet.errors import GpudeckError, UsageError
from fleet.services import Definition
from fleet.services.arguments import check_no_secret, is_shell, plain_positions, read_arguments, with_arguments
from fleet.services.indirect import argument_variables, joined, places, references
from fleet.services.serve_line import MODEL_FLAGS, MODULES, read
from fleet.text import clean

_Written = tuple[tuple[str, ...], dict[str, str]]
"""A command line, and the variables to set."""


def named_checkpoint(definition: Definition, source: str, *, with_overlay: bool = False) -> str | None:
    """The checkpoint as the operator's own command line or variables write it, or as they do with our overlay.

    ``source`` is what the fleet file calls it: a script's variable that holds just that names it. None where they do
    not say it plainly.
    """
    return next((word for word, _ in _ways(_as_it_stands(definition) if with_overlay else definition, source)), None)


def with_checkpoint(definition: Definition, old: str, new: str) -> tuple[Definition, dict[str, str]]:
    """The definition with another checkpoint, and the variables to set so that it is served.

    Args:
        definition: As it stands on the host.
        old: What the fleet file says is served now.
        new: What is to be served. Where the definition names a path that ends in ``old``, it is taken from beside it.

    Raises:
        GpudeckError: It is named where we cannot change it; with the place to edit.
    """
    standing = named_checkpoint(definition, old, with_overlay=True)
    wanted = respelled(standing or "", old, new)
    settable = {name: old for name, value in definition.overlaid_environment.items() if value == old}
    known = replace(definition, environment={**definition.environment, **settable})
    for word, written in _ways(known, old):
        if word == wanted and not settable:
            return definition, {}
        argv, variables = written(wanted)
        if argv != definition.argv:
            check_no_secret(argv)
        return replace(definition, argv=argv, environment={**definition.environment, **variables}), variables
    program = clean(definition.argv[0].rpartition("/")[2], 60)
    raise GpudeckError(
        f"its command line, of {program}, does not say which checkpoint it serves, so that cannot be changed from "
        "outside.",
        f"Change it in {' or '.join(places(definition))}, or let the script take --model from a variable such as "
        "VLLM_ARGS.",
    )


def respelled(word: str, old: str, new: str) -> str:
    """Another checkpoint as a definition would name it that names the old one by this word: beside it in its folder."""
    is_beside = bool(old) and word.startswith("/") and not new.startswith("/") and word.endswith(f"/{old}")
    return word.removesuffix(old) + new if is_beside else new


def _as_it_stands(definition: Definition) -> Definition:
    environment: Mapping[str, str] = {**definition.environment, **definition.overlaid_environment}
    return replace(definition, argv=definition.overlaid_argv or definition.argv, environment=environment)


def _ways(definition: Definition, source: str) -> Iterator[tuple[str, Callable[[str], _Written]]]:
    """Each word that names the checkpoint, the one that counts first, and what writes another in its place."""
    argv = definition.argv
    if not is_shell(argv):
        at = _module_at(argv)
        yield from _in_words(argv[at:], lambda words: ((*argv[:at], *words), {}))
        if (position := _served_at(definition)) is not None:
            yield argv[position], lambda word: ((*argv[:position], word, *argv[position + 1 :]), {})
    for name in argument_variables(definition):
        words = ("", *definition.environment[name].split())
        yield from _in_words(words, partial(_in_variable, definition, name))
    holding = [name for name, value in definition.environment.items() if source and value == source]
    if len(holding) == 1:
        yield source, lambda word: (argv, {holding[0]: joined(definition, holding[0], (word,))})


def _in_words(
    words: tuple[str, ...], put: Callable[[tuple[str, ...]], _Written]
) -> Iterator[tuple[str, Callable[[str], _Written]]]:
    given = read_arguments(words)
    for flag in MODEL_FLAGS:
        if isinstance(found := given.get(flag), str):
            yield found, partial(_in_flag, words, flag, put)


def _in_flag(words: tuple[str, ...], flag: str, put: Callable[[tuple[str, ...]], _Written], word: str) -> _Written:
    return put(with_arguments(words, {flag: word}))


def _in_variable(definition: Definition, name: str, words: tuple[str, ...]) -> _Written:
    """These words, after an empty one, as a variable; one that the manager itself fills in is written out."""
    reference = f"${name}"
    if reference in definition.argv and not is_shell(definition.argv):
        at = definition.argv.index(reference)
        return (*definition.argv[:at], *words[1:], *definition.argv[at + 1 :]), {}
    return definition.argv, {name: joined(definition, name, words[1:])}


def _module_at(argv: tuple[str, ...]) -> int:
    """Where the module of ``python -m MODULE`` stands, whose ``-m`` is no flag of the engine; 0 without one."""
    modules = (at for at in range(1, len(argv)) if argv[at - 1] == "-m" and argv[at].partition(".")[0] in MODULES)
    return next(modules, 0)


def _served_at(definition: Definition) -> int | None:
    """Where the word stands that ``vllm serve`` is given; None where the command line is none of those."""
    try:
        source = read(definition.argv).source
    except UsageError:
        return None
    if set(references(source)) & set(argument_variables(definition)):
        return None
    return next((at for at in plain_positions(definition.argv) if clean(definition.argv[at]) == source), None)
