"""A unit's files, and of the files of variables it names, the lines that can hold arguments or choose GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleet.text import clean

READ = """\
systemctl=$1 become=$2 unit=$3
$systemctl cat --no-pager "$unit" || exit
$systemctl show -p EnvironmentFiles --value "$unit" 2>/dev/null | sed 's/ (ignore_errors=[a-z]*)$//' |
while IFS= read -r file; do
  [ -n "$file" ] || continue
  printf '\\n@variables %s\\n' "$file"
  $become grep -E '^[[:space:]]*(export )?[A-Za-z0-9_]*(ARGS?|ARGUMENTS|OPTS?|OPTIONS|FLAGS|PARAMS|_DEVICES)=' \\
    "$file" </dev/null 2>/dev/null
done
:"""
"""For sh: $1 = systemctl, $2 = what becomes root, $3 = the unit. No other line is read: secrets stay where they are."""


def apart(printed: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """What `READ` printed: the unit's files, and each variable's value with the file that sets it."""
    files, *variables = re.split(r"^@variables ", printed, flags=re.MULTILINE)
    return files, _from_files(variables)


def _from_files(printed: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Variables of files of variables, with the file: the last that sets one counts."""
    found: dict[str, tuple[str, str]] = {}
    for part in printed:
        path, _, body = part.partition("\n")
        for line in body.splitlines():
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and not value.endswith("\\"):
                found[name] = (_unquoted(value.strip()), clean(path))
    return found


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:-1] if len(value) > 1 and quote in ("'", '"') and value.endswith(quote) else value
