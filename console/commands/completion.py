"""Print the script that completes gpudeck's words in a shell, or the names it asks for.

bash: source <(gpudeck completion bash). zsh: gpudeck completion zsh >~/.zfunc/_gpudeck, with that folder in $fpath.
fish: gpudeck completion fish >~/.config/fish/completions/gpudeck.fish.
"""

from __future__ import annotations

import argparse

from console.fleets import add_fleet_options, choose_fleet
from fleet.errors import Exit

_SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck completion``."""
    parser.add_argument(
        "what", choices=(*_SHELLS, "models", "hosts", "codes"), help="a shell; the others are what its script asks for"
    )
    add_fleet_options(parser, positional=False)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    if options.what in _SHELLS:
        from console.reference.commands import commands
        from console.reference.completion import SHELLS

        print(SHELLS[options.what](commands()), end="")
        return Exit.DONE
    if options.what == "codes":
        from fleet.findings.registry import RULES

        print("\n".join(RULES))
        return Exit.DONE
    inventory = choose_fleet(options)
    print("\n".join(each.name for each in (inventory.models if options.what == "models" else inventory.hosts)))
    return Exit.DONE
