"""Calls that cannot be answered: each is one sentence that says what to do, an exit code of the contract, no output."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command_line import GPUDECK, ROOT

from console.cli import main
from fleet.errors import Exit

DEMO = str(ROOT / "fleet" / "simulator" / "fleet.yaml")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
Captured = pytest.CaptureFixture[str]


def refused(capsys: Captured, *words: str) -> str:
    """What is said on standard error of a call that makes no sense."""
    assert main(words) == Exit.USAGE
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--set", "nope.source=x", "There is no model 'nope' in this fleet."),
        ("--set", "nope.max-model-len=5", "There is no model 'nope' in this fleet."),
        ("--set", "llama-3.1-8b", "names no value.\n  Write it as --set MODEL.ARGUMENT=VALUE"),
        ("--set", "llama-3.1-8b=5", "names no argument.\n  Write it as --set MODEL.ARGUMENT=VALUE"),
        ("--set", "llama-3.1-8b.=5", "names no argument.\n  Write it as --set MODEL.ARGUMENT=VALUE"),
        ("--set", ".x=5", "There is no model '.x' in this fleet."),
        ("--set", "llama-3.1-8b.tensor-parallel-size=x", "a whole number from 1 on, such as 2; not 'x'"),
        ("--set", "llama-3.1-8b.max-num-seqs=x", "a whole number from 1 on, such as 8; not 'x'"),
        ("--set", "llama-3.1-8b.max-model-len=x", "a whole number from 1 on, such as 32768 or 32k; not 'x'"),
        ("--move", "=", "names no model.\n  Write it as --move MODEL=HOST/GPUS."),
        ("--move", "llama-3.1-8b=", "names no place."),
    ],
)
def test_a_change_that_cannot_be_read_says_what_is_wrong_with_it(
    capsys: Captured, option: str, value: str, said: str
) -> None:
    assert said in refused(capsys, "plan", DEMO, option, value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["estimate", ""], "No model is named."),
        (["estimate", "x" * 3000], "…' is not known."),
        (["estimate", LLAMA, "--gpu", "MI300X", "--tensor-parallel-size", "1000000"], "ask for 1,000,000 GPUs"),
        (
            ["estimate", LLAMA, "--gpu", "MI300X", "--cpu-offload-gb", "1e300"],
            "--cpu-offload-gb is not as large as 1e+300.",
        ),
        (["estimate", LLAMA, "--gpu", "MI300X", "--max-num-seqs", "x"], "is a whole number such as 8, not 'x'"),
        (["estimate", LLAMA, "--gpu", "MI300X", "--fleet", DEMO, "--on", "gpu01/0"], "Leave one of them out."),
        (["capacity", DEMO, "--add", "Qwen/Qwen3-32B tp=x"], "such as 2; not 'x'"),
        (["init", "gpu01", "--output", "/nowhere/at/all/fleet.yaml"], "there is no such folder"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(capsys: Captured, words: list[str], said: str) -> None:
    assert said in refused(capsys, *words)


def test_what_is_no_plan_says_how_to_make_one(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    assert "Make one with `gpudeck plan --json`." in refused(
        capsys, "apply", DEMO, "--plan", str(tmp_path / "plan.json")
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["explain"], ["check", DEMO, "--json"]])
def test_a_full_disk_is_a_sentence(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*GPUDECK, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert done.returncode == Exit.FINDINGS
    assert done.stderr == "gpudeck: reading or writing failed: no space left on device.\n"


def test_a_demo_in_a_folder_that_cannot_be_says_so() -> None:
    done = subprocess.run(
        [*GPUDECK, "demo", "--serve", "/proc/nowhere"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == Exit.USAGE
    assert "cannot be written" in done.stdout
    assert "Traceback" not in done.stderr
