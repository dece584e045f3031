"""The memory table says the same at every width, and no figure is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_demo import recorded_snapshot

from console.detail.memory import memory_table
from fleet.findings.assess import assess
from fleet.inventory.loading import load
from fleet.model import GpuId
from fleet.state.joining import join
from fleet.units import gib

DEMO_FLEET = Path(__file__).parents[2] / "fleet" / "simulator" / "fleet.yaml"


@pytest.mark.parametrize("cells", [56, 76, 118, 132, 158, 200])
def test_every_row_fits_and_tells_what_each_model_holds(cells: int) -> None:
    gpu = join(assess(load(DEMO_FLEET)), {"gpu01": recorded_snapshot()}, 0.0).gpu(GpuId("gpu01", 0))
    rows = ["".join(span.text for span in row) for row in memory_table(gpu, cells)]
    assert all(len(row) <= cells for row in rows)
    assert len({len(row) for row in rows}) == 1
    shares = dict(gpu.outlook.shares)
    for model, row in zip(gpu.models, rows[1:], strict=False):
        assert gib(shares[model.name].total_bytes) in row
        assert gib(model.used_by_gpu[gpu.gpu]) in row[-9:]
    assert gib(gpu.used_bytes or 0) in rows[-1][-9:]
