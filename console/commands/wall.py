"""The read-only wallboard on a fleet file."""

from __future__ import annotations

import argparse
import asyncio
import shutil
from typing import TYPE_CHECKING

from console import collecting
from console.fleets import add_fleet_options, at_a_glance, choose_fleet, fleet_file
from console.terminal import require_terminal
from fleet.errors import Exit, UsageError

if TYPE_CHECKING:
    from console.session import Session
    from fleet.units import DayHours

_NEVER = "never"


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck wall``."""
    add_fleet_options(parser)
    parser.add_argument("--once", action="store_true", help="print one frame as text, as wide as the terminal")
    parser.add_argument(
        "--night", metavar="HOURS", help="when it is dimmed, such as 21:00-07:00, or never; 22:00-06:00 by default"
    )


def run(options: argparse.Namespace) -> int:
    """Open the wallboard, or print one frame of it; that exits 3 where a host was not reached."""
    if not options.once:
        require_terminal()
        collecting.put_off()
    from console.session import Session
    from console.settings_file import own_settings
    from console.wall import NIGHT, WallApp

    night = NIGHT if options.night is None else _hours(options.night)
    if options.once:
        return asyncio.run(_print_once(Session(choose_fleet(options))))
    named, whole = at_a_glance(fleet_file(options))
    settings, remark = own_settings()
    app = WallApp(Session(named), check=whole, settings=settings, remark=remark)
    app.night = night
    app.start()
    return Exit.DONE


def _hours(text: str) -> DayHours | None:
    from fleet.units import parse_day_hours

    try:
        return None if text == _NEVER else parse_day_hours(text)
    except ValueError as error:
        raise UsageError(f"--night: {error}.") from None


async def _print_once(session: Session) -> int:
    from console.session_app import hours_and_minutes
    from console.wall import one_frame

    async with session.watching():
        await session.first_readings()
        size = shutil.get_terminal_size()
        print(one_frame(session, hours_and_minutes(), size.columns, size.lines))
        links = [snapshot.link for snapshot in session.board.snapshots.values()]
    return Exit.DONE if all(link.is_heard for link in links) else Exit.UNREACHABLE
