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
    from console.settings_file import own_settings

    settings, remark = own_settings()
    GpudeckApp(Session(inventory), settings=settings, remark=remark).start()
    return Exit.DONE
