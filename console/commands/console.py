"""The interactive console on a fleet file."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from console import collecting
from console.fleets import add_fleet_options, at_a_glance, choose_fleet, fleet_file
from console.terminal import is_drawable
from fleet.errors import Exit

if TYPE_CHECKING:
    from console.operating import Operating
    from console.session import Session
    from console.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck``."""
    add_fleet_options(parser)
    add_plain_option(parser)
    add_read_only_option(parser)


def add_read_only_option(parser: argparse.ArgumentParser) -> None:
    """Let a command open the console for who may only look."""
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="for viewers: everything is shown, reckoned and planned, and nothing can be changed",
    )


def operating(options: argparse.Namespace, settings: Settings) -> Operating | None:
    """What an operator has; None, and not even imported, where the options or the settings ask only to look."""
    if options.read_only or settings.is_read_only:
        return None
    from console.operating import Operating

    return Operating()


def add_plain_option(parser: argparse.ArgumentParser) -> None:
    """Let a command do without a screen."""
    parser.add_argument(
        "--plain",
        action="store_true",
        help="no screen: a sentence per change, commands line by line",
    )


def run_plain(session: Session, ready: Awaitable[object] | None = None) -> int:
    """The console in lines; the hosts are read once ``ready`` is done."""
    import asyncio

    from console.plain import PlainConsole

    asyncio.run(PlainConsole(session, ready).run())
    return Exit.DONE


def run(options: argparse.Namespace) -> int:
    """Open the console; where there is no terminal to draw it on, print what `gpudeck status` prints."""
    if not (options.plain or is_drawable()):
        from console.commands.status import print_status

        return print_status(choose_fleet(options))
    from console.settings_file import own_settings

    if options.plain:
        from console.session import Session

        settings, _ = own_settings()
        return run_plain(Session(choose_fleet(options), operating=operating(options, settings)))
    collecting.put_off()
    from console.app import GpudeckApp
    from console.first_hints import own_hints
    from console.session import Session

    named, whole = at_a_glance(fleet_file(options))
    settings, remark = own_settings()
    session = Session(named, operating=operating(options, settings))
    GpudeckApp(session, hints=own_hints(), check=whole, settings=settings, remark=remark).start()
    return Exit.DONE
