"""A service that is missing on a host: the definition to install there, made from the fleet's or found elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.model import Model
from fleet.secrets import masked, named_in
from fleet.services.arguments import with_arguments
from fleet.services.unit_syntax import quoted
from fleet.text import clean_lines

_FIELD = re.compile(r"(?<!\$)\{([A-Za-z0-9][A-Za-z0-9._-]*)\}")


def rendered(template: str, model: Model) -> str:
    """A unit's text with its fields filled in: ``{arguments}``, single flags, ``{model}``, ``{source}`` …

    Each value is one word of a unit file, ``{arguments}`` as many as there are. Other braces, and ``${NAME}``, stay.
    Raises ValueError for a value no unit file can hold, and for a secret: plans and journals keep what is installed.
    """
    if found := named_in(template):
        raise ValueError(f"it holds a secret ({found}); name an EnvironmentFile= on the host instead")
    values: dict[str, Sequence[str]] = {flag: (str(value),) for flag, value in model.args.items()}
    values |= {
        "model": (model.name,),
        "host": (model.place.host,) if model.place else (),
        "gpus": (",".join(map(str, model.place.gpus)),) if model.place else (),
        "source": (model.source,) if model.source else (),
        "arguments": with_arguments(("",), model.args)[1:],
    }

    def filled(match: re.Match[str]) -> str:
        words = values.get(match[1])
        return match[0] if words is None else " ".join(quoted(word, expands=True) for word in words)

    return _FIELD.sub(filled, template)


def to_install(text: str) -> str:
    """A definition found on another host, for people to install: secrets left out, nothing a terminal would obey."""
    return "\n".join(clean_lines(masked(text), 2000, 200))
