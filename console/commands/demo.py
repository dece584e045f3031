"""The console on a simulated fleet: eight MI300X with a dozen models, reached over real SSH on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable
from contextlib import ExitStack
from pathlib import Path

from console import collecting
from console.commands.console import add_plain_option, add_read_only_option, operating, run_plain
from console.fleets import at_a_glance
from fleet.errors import Exit
from fleet.simulator.fleets import MOST_HOSTS, demo_fleet
from fleet.simulator.scenario import SCENARIOS

FOLDER_OF_ITS_OWN = Path()


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck demo``."""
    parser.add_argument("--wall", action="store_true", help="the read-only wallboard instead of the console")
    parser.add_argument(
        "--serve",
        nargs="?",
        type=Path,
        const=FOLDER_OF_ITS_OWN,
        metavar="DIR",
        help="only serve the simulated host, and write DIR/fleet.yaml and DIR/ssh_config; ends with Ctrl-C",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the simulated noise; 0 by default")
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help=f"how many hosts, up to {MOST_HOSTS}")
    parser.add_argument(
        "--scenario",
        choices=tuple(SCENARIOS),
        default="usual",
        help="rush-hour: for two minutes of every five, four times as many ask the chat models",
    )
    add_plain_option(parser)
    add_read_only_option(parser)
    parser.add_argument("--print-fleet", action="store_true", help="print the fleet file and start nothing")


def run(options: argparse.Namespace) -> int:
    """Start the simulated host as a child process and open the console on it."""
    if options.print_fleet:
        print(demo_fleet(options.hosts), end="")
        return Exit.DONE
    if options.serve is not None:
        from fleet.simulator.__main__ import main

        folder = [] if options.serve == FOLDER_OF_ITS_OWN else ["--serve", str(options.serve)]
        told = ["--seed", str(options.seed), "--hosts", str(options.hosts), "--scenario", options.scenario]
        return main([*folder, *told])
    if not options.plain:
        from console.terminal import require_terminal

        require_terminal()
        collecting.put_off()
    with ExitStack() as hosts:
        from console.session import Session
        from console.settings_file import own_settings
        from fleet.simulator.scratch import choose

        directory = choose()

        def start_hosts() -> Awaitable[None]:
            from fleet.simulator.child import start_demo  # after the first paint

            demo = start_demo(directory, seed=options.seed, hosts=options.hosts, scenario=options.scenario)
            return hosts.enter_context(demo).ready()

        settings, remark = own_settings()
        named, whole = at_a_glance(directory / "fleet.yaml", demo_fleet(options.hosts))  # the hosts will write the file
        session = Session(
            whole() if options.plain else named,
            operating=None if options.wall else operating(options, settings),
            state_folder=directory / "state",
        )
        if options.plain:
            return run_plain(session, start_hosts())
        if options.wall:
            from console.wall import WallApp

            WallApp(session, check=whole, prepare=start_hosts, settings=settings, remark=remark).start()
        else:
            from console.app import GpudeckApp
            from console.first_hints import own_hints

            GpudeckApp(
                session, hints=own_hints(), check=whole, prepare=start_hosts, settings=settings, remark=remark
            ).start()
    return Exit.DONE
