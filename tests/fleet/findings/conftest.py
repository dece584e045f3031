"""The demo fleet, which the rules are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.inventory import Inventory
from fleet.inventory.loading import load


@pytest.fixture(scope="session")
def demo() -> Inventory:
    """One host with eight MI300X, vLLM 0.9.0."""
    return load(Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml")
