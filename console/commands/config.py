"""Your own settings: theme, glyphs, mouse and keys."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from console.fleets import config_folder
from console.settings import Settings
from console.settings_file import load_settings, schema, settings_path, settings_text
from fleet.errors import Exit, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck config``."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("init", help="write the file, every line of it a comment to take in")
    verbs.add_parser("show", help="print the settings that hold, every binding among them")
    validate = verbs.add_parser("validate", help="check the file")
    validate.add_argument("file", nargs="?", type=Path, metavar="FILE", help="another file than your own")
    verbs.add_parser("schema", help="print the JSON schema of the file")
    verbs.add_parser("path", help="print where the file is")


def run(options: argparse.Namespace) -> int:
    """Do what the verb says. Raises SettingsFileError where the file is bad."""
    path = settings_path(os.environ, config_folder())
    match options.verb:
        case "init":
            _init(path)
        case "show":
            print(settings_text(load_settings(path)), end="")
        case "validate":
            _validate(options.file or path)
        case "schema":
            print(json.dumps(schema(), indent=2, ensure_ascii=False))
        case "path":
            print(path)
    return Exit.DONE


def _init(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(settings_text(Settings(), commented=True))
    except FileExistsError:
        raise UsageError(f"{path} is there already.", "Edit it, or take it away first.") from None
    print(path)


def _validate(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path} does not exist, so the usual settings hold.", "`gpudeck config init` writes it.")
    load_settings(path)
    print(f"{path}: all in order.")
