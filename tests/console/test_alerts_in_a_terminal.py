"""An alert in a real terminal: it rings, notifies, calls the webhook, is listed, and is acknowledged."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from terminal import Terminal
from webhook_receiver import TOKEN, Receiver, receiving

ROOT = Path(__file__).parents[2]
FLEET = """
fleet: small
ssh_config: ssh_config
hosts:
  gpu01: {address: gpu01, accelerator: MI300X, gpus: 8}
alerts:
  bell: true
  desktop: true
  webhook_env: HOOK
  rules:
    unread: {finding: LIVE005}
"""


class Heard(Terminal):
    """A terminal that also remembers all it was sent."""

    def __init__(self, *words: str, environment: dict[str, str]) -> None:
        super().__init__([sys.executable, "-m", "console.cli", *words], columns=100, rows=30, environment=environment)
        self.heard = b""
        show = self._stream.feed

        def keep(data: bytes) -> None:
            self.heard += data
            show(data)

        self._stream.feed = keep  # type: ignore[method-assign]

    def until_heard(self, what: bytes) -> None:
        while what not in self.heard:
            assert self._read(20.0), f"never heard {what!r}"

    def until_true(self, happened: Callable[[], bool]) -> None:
        for _ in range(2000):
            if happened():
                return
            self._read(0.01)
        raise AssertionError("it never happened")


def contents(folder: Path) -> list[bytes]:
    """Of every file in it."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "ssh_config").write_text("Host gpu01\n  HostName 127.0.0.1\n  Port 1\n", encoding="utf-8")
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    return tmp_path / "fleet.yaml"


async def test_an_alert_rings_calls_is_listed_and_is_acknowledged(fleet: Path, tmp_path: Path) -> None:
    async with receiving(Receiver()) as receiver:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "HOOK": receiver.url,
        }

        def watch() -> bytes:
            with Heard("wall", str(fleet), environment=environment) as wall:
                wall.until("gpu01 unreachable")
                wall.until_heard(b"\x1b]9;gpudeck small: LIVE005 gpu01: gpu01 is not reached")
                wall.until_true(lambda: bool(receiver.taken))
                wall.press("q")
                assert wall.wait() == 0
                return wall.heard

        heard = await asyncio.to_thread(watch)
    assert heard.count(b"\x07\x1b]9;") == 1
    assert TOKEN.encode() not in heard
    assert [each["event"] for each in receiver.taken] == ["fired"]
    assert receiver.taken[0]["subject"] == "LIVE005 gpu01"

    def alerts(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "console.cli", "alerts", str(fleet), *words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    (listed,) = json.loads(alerts("--json"))["alerts"]
    assert (listed["alert"], listed["severity"], listed["acknowledged_by"]) == ("unread LIVE005 gpu01", "error", None)
    assert "nobody is told until" in alerts("--acknowledge", listed["alert"], "--for", "2h", "--note", "a new cable")
    assert "knows, until" in alerts()
    assert "a new cable" in alerts()
    assert not any(TOKEN.encode() in content for content in contents(tmp_path))
