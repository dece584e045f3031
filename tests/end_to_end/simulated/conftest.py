"""A fleet of one model on a simulated host for each file of tests, met over real SSH."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from simulated_rollouts import Site, site

from fleet.simulator.child import start_demo


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def only_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("simulated")
    with start_demo(folder / "demo", speed=200) as demo:
        async with site(demo, folder / "ours") as here:
            yield here


@pytest_asyncio.fixture(loop_scope="module")
async def here(only_site: Site) -> AsyncIterator[Site]:
    """The model serves, in whichever of its two shares of a GPU; no test leaves anything of a rollout behind."""
    only_site.events.clear()
    yield only_site
    assert only_site.unfinished is None
    assert only_site.left_behind == []
