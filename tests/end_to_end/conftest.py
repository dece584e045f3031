"""A booted host for each file of tests that asks for one, set right again behind every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from booted_hosts import BootedHost, booted
from booted_rollouts import BEGUN, Held, end


@pytest.fixture(scope="module")
def only_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedHost]:
    with booted(tmp_path_factory.mktemp("booted")) as host:
        yield host


@pytest.fixture
def host(only_host: BootedHost) -> Iterator[BootedHost]:
    """The host as it should be; it is set right again behind a test that moved it."""
    yield only_host
    while BEGUN:
        end(BEGUN.pop())
    only_host.thaw()
    only_host.link("up")
    only_host.reset()


@pytest.fixture
def fleet(host: BootedHost, tmp_path: Path) -> Path:
    return host.fleet(tmp_path / "fleet.yaml")


@pytest.fixture
def held(host: BootedHost) -> Iterator[Held]:
    held = Held(host)
    yield held
    held.remove()
