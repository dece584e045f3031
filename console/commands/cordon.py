"""Place nothing new on a GPU or a host; what runs there goes on. Every console of the fleet sees it."""

from __future__ import annotations

import argparse

from console.changing.cordoning import change_cordons
from console.fleets import add_fleet_options, choose_fleet


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck cordon``."""
    parser.add_argument("target", metavar="HOST/GPU", help="a GPU, several (gpu01/4-6), or a whole host (gpu01)")
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, for those who meet it")
    add_fleet_options(parser, positional=False)


def run(options: argparse.Namespace) -> int:
    """Cordon it."""
    return change_cordons(choose_fleet(options), options.target, options.why, lift=False)
