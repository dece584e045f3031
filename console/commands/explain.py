"""What a finding means, why it matters, how to end it, and where the rule comes from."""

from __future__ import annotations

import argparse

from fleet.errors import Exit, UsageError
from fleet.findings.registry import RULES


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck explain``."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="one of them; without it all are listed")


def run(options: argparse.Namespace) -> int:
    """Print the rule, or every rule's title."""
    if options.code is None:
        print("\n".join(f"{rule.code:<8} {rule.severity:<8} {rule.title}" for rule in RULES.values()))
        return Exit.DONE
    rule = RULES.get(options.code.upper())
    if rule is None:
        raise UsageError(f"There is no finding {options.code!r}.", f"There are {', '.join(RULES)}.")
    print(f"{rule.code}  {rule.title}  ({rule.severity})\n")
    for heading, text in (("Why", rule.why), ("What to do", rule.how), ("Source", rule.source)):
        print(f"{heading}: {text}\n")
    return Exit.DONE
