"""The interactive console on a fleet file."""

from __future__ import annotations

import argparse

from console.fleets import add_fleet_options, choose_fleet
from console.terminal import require_terminal
from fleet.errors import Exit


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck``."""
    add_fleet_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the console."""
    inventory = choose_fleet(options)
    require_terminal()
    from console.app import GpudeckApp
    from console.session import Session

    GpudeckApp(Session(inventory)).start()
    return Exit.DONE
