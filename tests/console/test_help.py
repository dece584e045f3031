"""What ``--help`` prints fits a terminal of 80 columns."""

from __future__ import annotations

import pytest

from console.cli import COMMANDS, command, usage


def test_the_help_of_gpudeck_fits() -> None:
    assert max(map(len, usage().splitlines())) <= 80


@pytest.mark.parametrize("name", ["console", *COMMANDS])
def test_the_help_of_a_command_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, parser = command(name)
    assert max(map(len, parser.format_help().splitlines())) <= 80
