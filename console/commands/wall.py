"""The read-only wallboard on a fleet file."""

from __future__ import annotations

import argparse

from console.fleets import add_fleet_options, choose_fleet
from console.terminal import require_terminal
from fleet.errors import Exit


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck wall``."""
    add_fleet_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the wallboard."""
    inventory = choose_fleet(options)
    require_terminal()
    from console.session import Session
    from console.settings_file import own_settings
    from console.wall import WallApp

    settings, remark = own_settings()
    WallApp(Session(inventory), settings=settings, remark=remark).start()
    return Exit.DONE
