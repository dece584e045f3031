"""The console on a simulated fleet: eight MI300X with a dozen models, reached over real SSH on this machine."""

from __future__ import annotations

import argparse
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
    from console.terminal import require_terminal
    from fleet.simulator.child import start_demo

    if not options.plain:
        require_terminal()
        collecting.put_off()
    fleet = demo_fleet(options.hosts)
    with start_demo(seed=options.seed, hosts=options.hosts, scenario=options.scenario) as demo:
        from console.session import Session
        from console.settings_file import own_settings

        settings, remark = own_settings()
        named, whole = at_a_glance(demo.fleet_file, fleet)  # the file is written while the first screen is painted
        session = Session(
            whole() if options.plain else named,
            operating=None if options.wall else operating(options, settings),
            state_folder=demo.directory / "state",
        )
        if options.plain:
            return run_plain(session, demo.ready())
        ready = demo.ready()
        if options.wall:
            from console.wall import WallApp

            WallApp(session, check=whole, ready=ready, settings=settings, remark=remark).start()
        else:
            from console.app import GpudeckApp
            from console.first_hints import own_hints

            GpudeckApp(session, hints=own_hints(), check=whole, ready=ready, settings=settings, remark=remark).start()
    return Exit.DONE
