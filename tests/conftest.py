"""Options of the suite, its scratch (nothing is written into the tree), and the host many of its files talk to."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from fleet.simulator.child import Demo, start_demo

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""Tests interrupt what they start, which would ignore it where the suite itself was started in the background."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = str(platformdirs.user_cache_path("gpudeck-tests") / "bytecode")
"""The programs that tests start compile what they import once, and outside the tree."""

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "gpudeck-hypothesis")
settings.register_profile("search", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("search"), max_examples=100, derandomize=True, database=None)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-screenshots", action="store_true", help="rewrite screenshots/ from the recorded demo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for hosts begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The simulated host as `gpudeck demo --serve` runs it, answering; one for all tests of a file.

    A file that wants another than the usual one says so in `DEMO_OPTIONS`, those of `start_demo`.
    """
    options: dict[str, Any] = getattr(request.module, "DEMO_OPTIONS", {})
    with start_demo(tmp_path_factory.mktemp("demo") / "host", **options) as running:
        asyncio.run(running.ready())
        yield running


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers to a core: most tests wait for hosts, terminals and processes more than they reckon."""
    return 2 * (os.cpu_count() or 1)
