"""A file is replaced whole, or left as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.files import READABLE, beside, replace

ROOT = Path(__file__).parents[2]


def test_a_new_file_has_the_mode_asked_for_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    target = tmp_path / "f"
    replace(target, "one")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("one", 0o600)
    target.chmod(0o640)
    replace(target, "two\r\n", READABLE)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"two\r\n", 0o640)
    assert list(tmp_path.iterdir()) == [target]


def test_what_goes_wrong_leaves_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "f"
    replace(target, "one")
    with pytest.raises(KeyError), beside(target, "two"):
        raise KeyError
    with pytest.raises(UnicodeEncodeError):
        replace(target, "\udc80")
    with pytest.raises(OSError):
        replace(tmp_path / "absent" / "f", "x")
    assert (target.read_text(), list(tmp_path.iterdir())) == ("one", [target])


def test_a_kill_before_the_rename_leaves_the_old_text(tmp_path: Path) -> None:
    target = tmp_path / "f"
    replace(target, "one")
    killed = "import os, sys, signal\nfrom pathlib import Path\nfrom fleet.files import beside\n"
    killed += "with beside(Path(sys.argv[1]), 'two'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run([sys.executable, "-c", killed, target], cwd=ROOT, env=os.environ, check=False)
    assert (done.returncode, target.read_text()) == (-signal.SIGKILL, "one")
