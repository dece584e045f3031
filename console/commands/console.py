"""The interactive console on a fleet file."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable

from console.commands.status import print_status
from console.fleets import add_fleet_options, choose_fleet, state_folder
from console.session import Session
from console.terminal import is_drawable
from fleet.errors import Exit


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck``."""
    add_fleet_options(parser)
    add_plain_option(parser)


def add_plain_option(parser: argparse.ArgumentParser) -> None:
    """Let a command do without a screen."""
    parser.add_argument(
        "--plain",
        action="store_true",
        help="no screen: a sentence per change, commands line by line",
    )


def run_plain(session: Session, ready: Awaitable[object] | None = None) -> int:
    """The console in lines; the hosts are read once ``ready`` is done."""
    from console.plain import PlainConsole

    asyncio.run(PlainConsole(session, ready).run())
    return Exit.DONE


def run(options: argparse.Namespace) -> int:
    """Open the console; where there is no terminal to draw it on, print what `gpudeck status` prints."""
    inventory = choose_fleet(options)
    if options.plain:
        return run_plain(Session(inventory))
    if not is_drawable():
        return print_status(inventory)
    from console.app import GpudeckApp
    from console.first_hints import FILE, FirstHints
    from console.settings_file import own_settings

    settings, remark = own_settings()
    hints = FirstHints(state_folder() / FILE)
    GpudeckApp(Session(inventory), hints=hints, settings=settings, remark=remark).start()
    return Exit.DONE
