"""A bench with an empty fleet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench

MEMORY = Path("/dev/shm")
"""Where a journal is synced in no time."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Bench(Path(folder) / "state" / "test.sqlite")
