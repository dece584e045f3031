"""What is pasted into the edit form: arguments as on a command line go to the fields they are of, whichever has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from console.editing.form import MORE, Field, Form, value_text
from fleet.errors import UsageError
from fleet.model import Model, Scalar
from fleet.services.serve_line import arguments_of, read

_FLAG = re.compile(r"(?:^|\s)-{1,2}[A-Za-z]")


def holds_arguments(text: str) -> bool:
    """Whether a pasted text is more than the value of one argument."""
    return _FLAG.search(text) is not None


def pasted(form: Form, text: str) -> tuple[Form, str]:
    """The form with the arguments of a command line, whole or in part, filled in; and what was, as a sentence.

    Raises UsageError where it cannot be read, or runs another engine.
    """
    args = _arguments(form.model, text)
    known = {field.flag for field in form.fields}
    others = {flag: value for flag, value in args.items() if flag not in known}
    fields = tuple(_filled(field, args, others) for field in form.fields)
    return replace(form, fields=fields), f"Filled in from what was pasted: {', '.join(args)}."


def _arguments(model: Model, text: str) -> Mapping[str, Scalar]:
    engine = model.engine.name
    if text.lstrip().startswith("-"):
        return arguments_of(engine, text)
    try:
        served = read([text])
    except UsageError as error:
        raise UsageError(error.message, "Paste arguments, such as --block-size 32, or the whole line.") from None
    if served.engine.name != engine:
        raise UsageError(f"What was pasted runs {served.engine.name}, and {model.name} is served by {engine}.")
    return {flag: value for flag, value in served.args.items() if not flag.startswith("VLLM_")}


def _filled(field: Field, args: Mapping[str, Scalar], others: Mapping[str, Scalar]) -> Field:
    if field.argument is MORE:
        words = (f"--{flag}" if value is True else f"--{flag} {value_text(value)}" for flag, value in others.items())
        return replace(field, text=" ".join(filter(None, (field.text.strip(), *words))))
    return replace(field, text=value_text(args[field.flag])) if field.flag in args else field
