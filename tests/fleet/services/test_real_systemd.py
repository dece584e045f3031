"""Overlays as systemd itself reads them; skipped where systemd is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.commands import Answer
from fleet.services.arguments import with_arguments
from fleet.services.systemd import OVERLAY, Systemd

MANAGER = Path("/lib/systemd/systemd")
UNIT = Systemd("gpudeck-test.service")
OWN = """\
[Service]
Environment="HF_HOME=/data/hf cache" HIP_VISIBLE_DEVICES=3
ExecStart=/bin/echo serve 'a model' \\
    # why so long
    --max-model-len 8192 --name '%p' $EXTRA
"""
HOSTILE = "50% of $HOME; \"quoted\" 'too' \\ `id` é"


@pytest.fixture
def units() -> Iterator[Path]:
    """A folder of units with ours and its overlay in it, which other users may read too."""
    with tempfile.TemporaryDirectory(prefix="gpudeck-units-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _fill(folder)
        yield folder


def _fill(folder: Path) -> None:
    (folder / f"{UNIT.unit}.d").mkdir(parents=True)
    (folder / UNIT.unit).write_text(OWN)
    definition = UNIT.parse_definition(Answer(0, f"# /etc/systemd/system/{UNIT.unit}\n{OWN}", ""))
    argv = with_arguments(definition.argv, {"max-model-len": 33120, "note": HOSTILE})
    pins = {
        "HIP_VISIBLE_DEVICES": None,
        "CUDA_VISIBLE_DEVICES": None,
        "ROCR_VISIBLE_DEVICES": "GPU-1a,GPU-2b",
    }
    (folder / f"{UNIT.unit}.d" / OVERLAY).write_text(UNIT.overlay(definition, argv, pins))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_an_overlay(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", UNIT.unit],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not MANAGER.exists(), reason="systemd is not installed")
@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root without setpriv")
def test_systemd_reads_the_words_we_meant(units: Path) -> None:
    dumped = _dump(units)
    assert "Environment: ROCR_VISIBLE_DEVICES=GPU-1a,GPU-2b" in dumped
    assert "UnsetEnvironment: HIP_VISIBLE_DEVICES" in dumped
    assert "UnsetEnvironment: CUDA_VISIBLE_DEVICES" in dumped
    command = next(line for line in dumped if line.startswith("Command Line:"))
    assert _shell_words(command.removeprefix("Command Line: ")) == [
        "/bin/echo", "serve", "a model", "--max-model-len", "33120", "--name", "gpudeck-test", "$EXTRA",
        "--note", HOSTILE.replace("$", "$$"),  # made single only when the program is started
    ]  # fmt: skip


def _shell_words(line: str) -> list[str]:
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _dump(units: Path) -> list[str]:
    """What systemd's user manager, in its test mode, says of our unit; it refuses to run as root."""
    runtime = units / "run"
    runtime.mkdir()
    runtime.chmod(0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    prefix = nobody if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, MANAGER, "--test", "--user", f"--unit={UNIT.unit}", "--log-target=console"],
        env={
            "PATH": "/bin",
            "HOME": str(runtime),
            "XDG_RUNTIME_DIR": str(runtime),
            "SYSTEMD_UNIT_PATH": f"{units}:",
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    _, _, ours = done.stdout.partition(f"-> Unit {UNIT.unit}:")
    assert ours, done.stdout[-2000:] + done.stderr[-2000:]
    return [line.strip() for line in ours.splitlines()]
