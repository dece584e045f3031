"""What is imported when: the layers hold, and nobody pays for a terminal or a connection they do not use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(statement: str) -> set[str]:
    """Top-level and dotted names of what a fresh interpreter holds after that statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["console.cli", "console.commands.check", "fleet.inventory.loading", "fleet.findings.assess", "fleet.state"],
)
def test_checking_a_fleet_imports_neither_a_terminal_nor_ssh(module: str) -> None:
    assert not imported(f"import {module}") & {"textual", "rich", "asyncssh"}


def test_the_command_line_alone_imports_next_to_nothing() -> None:
    assert not imported("import console.cli") & {"pydantic", "yaml", "asyncio", "fleet.inventory"}


@pytest.mark.parametrize("module", ["fleet.inventory", "fleet.inventory.changes", "fleet.planning.draft"])
def test_a_fleet_in_memory_needs_no_schema(module: str) -> None:
    assert not imported(f"import {module}") & {"pydantic", "yaml"}


@pytest.mark.parametrize("module", ["console.session", "console.app"])
def test_ssh_is_imported_only_when_a_connection_is_opened(module: str) -> None:
    assert "asyncssh" not in imported(f"import {module}")


@pytest.mark.parametrize("module", ["console.app", "console.wall"])
def test_the_first_screen_is_painted_without_estimators_and_probes(module: str) -> None:
    held = imported(f"import {module}")
    assert not held & {"fleet.findings.assess", "fleet.estimate.estimating", "fleet.telemetry.watcher"}


def test_the_wallboard_holds_nothing_that_could_change_a_host() -> None:
    held = imported("import console.wall")
    assert not {name for name in held if name.startswith(("fleet.rollout", "fleet.ssh.operator"))}


def test_status_needs_no_terminal() -> None:
    assert not imported("import console.commands.status") & {"textual", "rich"}


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
