"""Which models `gpudeck restart` restarts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from console.commands import restart
from fleet.errors import UsageError
from fleet.inventory import Inventory
from fleet.inventory.changes import Change

FLEET = """\
fleet: test
hosts:
  gpu01: {address: a, accelerator: MI300X, gpus: 8}
models:
  llama:
    engine: vllm 0.9.2
    source: a/b
    place: gpu01/0
    service: systemd:llama.service
    replicas:
      - {place: gpu01/1, service: systemd:llama-2.service}
      - {place: gpu01/2, service: systemd:llama-3.service, enabled: false}
  qwen: {engine: vllm 0.9.2, source: a/c, place: gpu01/3, service: systemd:qwen.service}
"""


@pytest.fixture
def restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was restarted, by name; the fleet above is the one that is found."""
    found: list[str] = []

    def apply_changes(inventory: Inventory, changes: tuple[Change, ...], options: argparse.Namespace) -> int:
        found.extend(change.model for change in changes)
        return 0

    (tmp_path / "fleet.yaml").write_text(FLEET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPUDECK_FLEET", raising=False)
    monkeypatch.setattr(restart, "apply_changes", apply_changes)
    return found


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    restart.configure(parser)
    return restart.run(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("llama",), ["llama", "llama_2"]),
        (("llama_2",), ["llama_2"]),
        (("qwen", "llama", "llama_2"), ["qwen", "llama", "llama_2"]),
    ],
)
def test_an_entry_with_copies_is_all_of_them_that_run_and_a_copy_is_itself(
    restarted: list[str], words: tuple[str, ...], names: list[str]
) -> None:
    assert run(*words) == 0
    assert restarted == names


@pytest.mark.parametrize("name", ["llama_3", "nobody"])
def test_what_does_not_run_is_not_restarted(restarted: list[str], name: str) -> None:
    with pytest.raises(UsageError, match=f"no enabled model '{name}'"):
        run(name)
    assert restarted == []
