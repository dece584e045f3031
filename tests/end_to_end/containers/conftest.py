"""The host with containers that these tests share the making of; one for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from container_hosts import ContainerHost, container_host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerHost]:
    with container_host(tmp_path_factory.mktemp("containers")) as host:
        yield host


@pytest.fixture
def fleet(host: ContainerHost, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Every test leaves the host as it was, unless it failed."""
    if request.session.testsfailed:
        host.reset()
    return host.fleet(tmp_path / "fleet.yaml")
