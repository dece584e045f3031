"""Bring a cordoned GPU or host back: models may be placed on it again."""

from __future__ import annotations

import argparse

from console.changing.cordoning import change_cordons
from console.fleets import add_fleet_options, choose_fleet


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck uncordon``."""
    parser.add_argument("target", metavar="HOST/GPU", help="a GPU, several (gpu01/4-6), or a whole host (gpu01)")
    add_fleet_options(parser, positional=False)


def run(options: argparse.Namespace) -> int:
    """Lift its cordons."""
    return change_cordons(choose_fleet(options), options.target, "", lift=True)
