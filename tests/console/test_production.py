"""Hosts that serve production say so, in a word, wherever their GPUs are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from svg_text import svg_text

from console.app import GpudeckApp
from console.session import Session
from fleet.inventory.loading import load_text
from fleet.state.json import status_json

FLEET = """
fleet: two
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 4, production: true}
  gpu02: {address: ops@gpu02, accelerator: MI300X, gpus: 4}
models: {}
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(load_text(FLEET, tmp_path / "fleet.yaml"), state_folder=tmp_path)


async def test_panes_and_header_carry_the_word(session: Session) -> None:
    app = GpudeckApp(session, live=False, environment={})
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        text = svg_text(app.export_screenshot())
        assert "1 PROD" in text.splitlines()[0]
        assert all(f"gpu01/{index} PROD" in text for index in range(4))
        assert "gpu02/0 PROD" not in text


async def test_a_line_has_room_for_its_letter(session: Session) -> None:
    app = GpudeckApp(session, live=False, environment={})
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = svg_text(app.export_screenshot())
        assert all(f"gpu01/{index} P " in text for index in range(4))
        assert "gpu02/0 P" not in text


def test_the_status_says_it_too(session: Session) -> None:
    assert [host["production"] for host in status_json(session.state())["hosts"]] == [True, False]
