"""Arguments that come from a variable, a script or a file of variables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError
from fleet.model import Scalar
from fleet.services import Definition
from fleet.services.indirect import named_arguments, with_changes
from fleet.services.systemd import Systemd

UNIT = Systemd("llama.service")
FILE = "/etc/default/llama"


def definition(command: str, variables: str = "", environment: str = "", overlay: str = "") -> Definition:
    own = f"# /etc/systemd/system/llama.service\n[Service]\nEnvironment={environment}\nExecStart={command}\n"
    ours = f"\n# /etc/systemd/system/llama.service.d/50-gpudeck.conf\n{overlay}" if overlay else ""
    return UNIT.parse_definition(Answer(0, f"{own}{ours}\n@variables {FILE}\n{variables}\n", ""))


def overlay(found: Definition, wanted: dict[str, Scalar]) -> list[str]:
    argv, variables = with_changes(found, wanted)
    return UNIT.overlay(found, argv, variables).splitlines()[3:]


def test_a_scripts_variable_is_set_before_it_and_wins_over_the_file_that_sets_it() -> None:
    found = definition("/bin/bash -c 'exec vllm serve m $VLLM_ARGS'", "VLLM_ARGS=--max-model-len 8192 --dtype half")
    assert overlay(found, {"max-model-len": 4096})[1] == (
        'ExecStart=/usr/bin/env "VLLM_ARGS=--max-model-len 4096 --dtype half" '
        "/bin/bash -c 'exec vllm serve m $VLLM_ARGS'"
    )


def test_a_variable_of_the_unit_itself_is_simply_set() -> None:
    found = definition("/opt/run-llama", environment='"VLLM_ARGS=--dtype half"')
    assert overlay(found, {"max-model-len": 4096}) == ['Environment="VLLM_ARGS=--dtype half --max-model-len 4096"']


def test_a_variable_the_manager_fills_in_is_written_out_where_it_changes() -> None:
    found = definition("/bin/vllm serve m $VLLM_ARGS --port 1", 'VLLM_ARGS="--max-model-len 8192 --dtype half"')
    assert overlay(found, {"max-model-len": 4096})[1] == (
        "ExecStart=/bin/vllm serve m --max-model-len 4096 --dtype half --port 1"
    )
    assert overlay(found, {"port": 2})[1] == "ExecStart=/bin/vllm serve m $VLLM_ARGS --port 2"
    assert "max-model-len" in named_arguments(found)


def test_what_our_overlay_set_is_read_back() -> None:
    command = "/bin/bash -c 'exec vllm serve m $VLLM_ARGS'"
    own = definition(command, "VLLM_ARGS=--dtype half")
    ours = "\n".join(overlay(own, {"max-model-len": 4096}))
    found = definition(command, "VLLM_ARGS=--dtype half", overlay=f"[Service]\n{ours}\n")
    assert found.overlaid_environment == {"VLLM_ARGS": "--dtype half --max-model-len 4096"}
    assert found.overlaid_argv == ()
    assert named_arguments(found) == {"dtype", "max-model-len"}


@pytest.mark.parametrize(
    ("command", "variables", "place"),
    [
        ("/bin/bash -c 'exec vllm serve m'", "", "Change it in /etc/systemd/system/llama.service, let"),
        ("/bin/bash /opt/run-llama.sh", "", "/etc/systemd/system/llama.service or /opt/run-llama.sh"),
        ("/opt/run-llama", "", "/etc/systemd/system/llama.service or /opt/run-llama"),
        ("/opt/run-llama", "A_ARGS=--x 1\nB_ARGS=--y 1", FILE),
        ("/bin/bash -c 'vllm serve m --max-model-len 8192 $VLLM_ARGS'", "VLLM_ARGS=--x 1", FILE),
    ],
)
def test_what_cannot_be_changed_from_outside_is_refused_with_the_place(
    command: str, variables: str, place: str
) -> None:
    with pytest.raises(GpudeckError, match="cannot be changed from outside") as refused:
        with_changes(definition(command, variables), {"max-model-len": 4096})
    assert place in refused.value.way_out


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ("VLLM_ARGS=--max-model-len 1 --name 'a b'", "blanks or quotes"),
        ("VLLM_ARGS=--max-model-len 1 --api-key sk-1", "secret"),
    ],
)
def test_a_variable_no_shell_reads_back_and_one_with_a_secret_are_left_alone(variables: str, why: str) -> None:
    with pytest.raises(GpudeckError, match=why):
        with_changes(definition("/opt/run-llama", variables), {"max-model-len": 4096})


def test_only_what_can_hold_arguments_is_read_of_a_file_of_variables(tmp_path: Path) -> None:
    file = tmp_path / "with a blank.env"
    file.write_text("HF_TOKEN=hf_secret\n# note\nexport VLLM_ARGS='--dtype half'\nHIP_VISIBLE_DEVICES=3\n")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        "#!/bin/sh\ncase $1 in\n"
        "cat) printf '# /etc/systemd/system/llama.service\\n[Service]\\nExecStart=/opt/run\\n' ;;\n"
        f"show) printf '%s\\n' '{file} (ignore_errors=no)' '{tmp_path}/missing (ignore_errors=yes)' ;;\nesac\n"
    )
    systemctl.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", UNIT.definition().line],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "hf_secret" not in done.stdout
    found = UNIT.parse_definition(Answer(done.returncode, done.stdout, done.stderr))
    assert found.environment == {"VLLM_ARGS": "--dtype half", "HIP_VISIBLE_DEVICES": "3"}
    assert set(found.environment_files.values()) == {str(file)}


def test_a_pin_wins_over_a_file_that_chooses_gpus() -> None:
    found = definition("/bin/vllm serve m", "ROCR_VISIBLE_DEVICES=3")
    assert UNIT.overlay(found, found.argv, {"ROCR_VISIBLE_DEVICES": "GPU-1a"}).splitlines()[3:] == [
        "ExecStart=",
        "ExecStart=/usr/bin/env ROCR_VISIBLE_DEVICES=GPU-1a /bin/vllm serve m",
    ]
