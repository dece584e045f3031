"""The command line. Standard output is data, standard error is talk."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from fleet.errors import Exit, GpudeckError
from fleet.text import clean

COMMANDS = {
    "demo": "the console on a simulated fleet of eight MI300X",
    "init": "read hosts over SSH and write a fleet file",
    "wall": "the read-only wallboard",
    "alerts": "what stands, who knows of it, and a trial of the webhook",
    "status": "one frame of the truth",
    "estimate": "what one model takes on its GPUs, whether it starts, and ways out",
    "check": "findings; exit 1 where one is an error",
    "explain": "what a finding means and how to fix it",
    "plan": "what a change would do, in order, with its commands; touches nothing",
    "apply": "carry a change out",
    "capacity": "what fits where, how many copies, with what losses, and which server to buy",
    "restart": "restart models, or all of a GPU, a host or a role",
    "cordon": "place nothing new on a GPU or a host",
    "uncordon": "bring a cordoned GPU or host back",
    "logs": "the last log lines of a model",
    "audit": "who changed what",
    "config": "your settings: theme, glyphs, mouse, keys",
    "history": "what was recorded: readings with their peaks, events, starts",
    "doctor": "what is wrong with this set-up, and what to do about it",
    "autopilot": "load and unload models as the fleet file says: proposed, and with --act done",
    "completion": "print what completes gpudeck's words in bash, zsh or fish",
}
"""Every command and what it does; each is a module of `console.commands` with ``configure`` and ``run``, and with
``read`` where not all its words are its own."""


def usage() -> str:
    """The help of the command line as a whole, in lines of at most 80 columns."""
    from textwrap import fill

    name_cells = max(map(len, COMMANDS))
    indent = " " * len(f"  gpudeck {'':<{name_cells}}  ")
    return "\n".join(
        [
            "usage: gpudeck [FLEET]           the console on a fleet file",
            "       gpudeck COMMAND …         with --help for its options",
            "       gpudeck --version",
            "",
            *(
                fill(text, 80, initial_indent=f"  gpudeck {name:<{name_cells}}  ", subsequent_indent=indent)
                for name, text in COMMANDS.items()
            ),
            "",
            "FLEET is a fleet file; without it $GPUDECK_FLEET, ./fleet.yaml, or the one in",
            "your configuration folder.",
            "Exit codes: 0 done, 1 findings or a failed rollout, 2 usage or a bad fleet file,",
            "3 a host was not reached, 130 interrupted.",
        ]
    )


def command(name: str) -> tuple[Any, argparse.ArgumentParser]:
    """The module of a command, ``console`` for none, and the parser of its words."""
    module = import_module(f"console.commands.{name}")
    program = "gpudeck" if name == "console" else f"gpudeck {name}"
    parser = argparse.ArgumentParser(prog=program, description=module.__doc__, allow_abbrev=False)
    module.configure(parser)
    return module, parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except GpudeckError as error:
        print(f"gpudeck: {error.title}: {error.message}", file=sys.stderr)
        if error.way_out:
            print(f"  {error.way_out}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _print_no_more()
        return Exit.DONE
    except OSError as error:
        _print_no_more()
        where = f"{clean(str(error.filename))}: " if error.filename else "reading or writing failed: "
        print(f"gpudeck: {where}{(error.strerror or str(error)).lower()}.", file=sys.stderr)
        return Exit.FINDINGS


def _print_no_more() -> None:
    """Have what is left to print go nowhere: Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Have a stream that is closed read or write nothing, and one of few characters write ``?`` for the others."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
        elif mode == "w" and isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _run(words: list[str]) -> int:
    if words[:1] in (["-h"], ["--help"], ["help"]):
        print(usage())
        return Exit.DONE
    if words[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"gpudeck {version('gpudeck')}")
        return Exit.DONE
    module, parser = command(words.pop(0) if words and words[0] in COMMANDS else "console")
    options = module.read(parser, words) if hasattr(module, "read") else parser.parse_args(words)
    result: int = module.run(options)
    return result


if __name__ == "__main__":
    sys.exit(main())
