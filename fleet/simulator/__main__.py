"""``python -m fleet.simulator``: serve the demo fleet's hosts until told to end.

Prints one line of JSON once the hosts can be reached. Ends on SIGTERM, SIGINT and SIGHUP, and when standard input
closes where that is a pipe; then nothing is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from fleet.errors import Exit, GpudeckError
from fleet.simulator.fleets import demo_fleet
from fleet.simulator.scenario import SCENARIOS
from fleet.simulator.scratch import Scratch

SPEED = 15.0
"""How many times faster than in life engines start, unless told otherwise: a 70B model in about 6 seconds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulator; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m fleet.simulator", description="Serve the simulated fleet.")
    parser.add_argument("--serve", metavar="DIR", type=Path, help="the folder for fleet.yaml, ssh_config and key")
    parser.add_argument("--seed", type=int, default=0, help="of all noise")
    parser.add_argument("--speed", type=float, default=SPEED, help="how many times faster engines start (%(default)g)")
    parser.add_argument("--hosts", type=int, default=1, help="how many hosts there are (%(default)g)")
    parser.add_argument("--scenario", choices=tuple(SCENARIOS), default="usual", help="how many requests come")
    arguments = parser.parse_args(argv)
    if not arguments.speed > 0:
        parser.error("--speed is a number above 0")
    try:
        asyncio.run(_serve(arguments))
    except GpudeckError as error:
        print(json.dumps({"ready": False, "error": error.message, "way_out": error.way_out}), flush=True)
        return error.exit_code
    except OSError as error:
        told = {
            "ready": False,
            "error": f"The demo's files cannot be written: {error}.",
            "way_out": "Name another folder.",
        }
        print(json.dumps(told), flush=True)
        return Exit.USAGE
    return Exit.DONE


async def _serve(arguments: argparse.Namespace) -> None:
    end = _told_to_end()
    fleet = demo_fleet(arguments.hosts)
    scratch = Scratch(arguments.serve)
    try:
        from fleet.simulator.service import Service

        service = Service(
            scratch.path,
            fleet,
            _clock(),
            seed=arguments.seed,
            speed=arguments.speed,
            demand=SCENARIOS[arguments.scenario],
        )
        try:
            await service.start()
            ready = {"ready": True, "directory": str(scratch.path), "pid": os.getpid(), "ports": service.ports}
            print(json.dumps(ready), flush=True)
            await _first(end.wait(), service.run())
        finally:
            await service.close()
    finally:
        scratch.remove()


async def _first(*all_of_them: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of these to end; raises what it raised."""
    tasks = [asyncio.ensure_future(one) for one in all_of_them]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        await task


def _told_to_end() -> asyncio.Event:
    """Set when a signal asks for the end, or standard input closes where it is a pipe."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs ignore some of them
            loop.add_signal_handler(number, end.set)
    mode = os.fstat(0).st_mode if sys.stdin is not None else 0
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):

        def watch() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                end.set()

        loop.add_reader(0, watch)
    return end


def _clock() -> Callable[[], float]:
    """Unix seconds that go on evenly whatever is done to the machine's clock."""
    shift = time.time() - time.monotonic()
    return lambda: shift + time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
