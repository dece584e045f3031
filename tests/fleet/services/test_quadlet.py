"""Quadlets: a drop-in of the .container, and its unit started, stopped and read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError, UsageError
from fleet.services.arguments import with_arguments
from fleet.services.quadlet import Quadlet
from fleet.services.states import parse_states, states_command

OWN = """\
[Container]
Image=docker.io/vllm/vllm-openai:v0.9.1
AddDevice=/dev/kfd
AddDevice=/dev/dri/renderD128
Environment=HIP_VISIBLE_DEVICES=0 HF_TOKEN=hf_secret
Exec=--model %p --max-model-len 8192
"""
PINS = {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None, "CUDA_VISIBLE_DEVICES": None}


def test_the_overlay_is_a_drop_in_of_the_container_file() -> None:
    quadlet = Quadlet("llama", "sudo")
    found = quadlet.parse_definition(Answer(0, f"# /etc/containers/systemd/llama.container\n{OWN}", ""))
    argv = with_arguments(found.argv, {"max-model-len": 4096, "note": "50% $HOME"})
    overlay = quadlet.overlay(found, argv, PINS, ["/dev/dri/renderD129"])
    assert overlay.splitlines()[2:] == [
        "[Container]",
        "PodmanArgs=--unsetenv=CUDA_VISIBLE_DEVICES",
        "Environment=ROCR_VISIBLE_DEVICES=GPU-1a",
        "Environment=HIP_VISIBLE_DEVICES=0",
        "AddDevice=",
        "AddDevice=/dev/kfd",
        "AddDevice=/dev/dri/renderD129",
        'Exec=--model %p --max-model-len 4096 --note "50%% $$HOME"',
    ]
    path = "/etc/containers/systemd/llama.container.d/50-gpudeck.conf"
    assert quadlet.write_overlay(overlay)[2].line.endswith(f"mv -T {path}.new {path}")
    assert quadlet.remove_overlay()[0].line == f"sudo -n -- rm -f {path} {path}.new"


def test_ours_and_the_operators_own_drop_ins_are_told_apart(tmp_path: Path) -> None:
    quadlet = Quadlet("llama", user=True)
    folder = tmp_path / quadlet.folder
    drop_ins = folder / "llama.container.d"
    drop_ins.mkdir(parents=True)
    (folder / "llama.container").write_text(OWN)
    (drop_ins / "10-own.conf").write_text("[Container]\nEnvironment=A=1")
    (drop_ins / "50-gpudeck.conf").write_text("# ours\n[Container]\nAddDevice=\nAddDevice=/dev/x\nExec=--model q\n")
    done = subprocess.run(
        ["sh", "-c", quadlet.definition().line],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = quadlet.parse_definition(Answer(done.returncode, done.stdout, done.stderr))
    assert found.environment == {"HIP_VISIBLE_DEVICES": "0", "HF_TOKEN": "hf_secret", "A": "1"}
    assert found.devices == ("/dev/kfd", "/dev/dri/renderD128")
    assert found.overlaid_devices == ("/dev/x",)
    assert found.overlaid_argv[1:] == ("--model", "q")
    assert (found.overlay or "").startswith("# ours\n")
    assert [Path(path).name for path in found.files] == ["llama.container", "10-own.conf"]


def test_its_unit_is_asked_and_its_processes_are_its_own() -> None:
    quadlet = Quadlet("llama")
    assert states_command([quadlet]).words[-1] == "llama.service"
    state = parse_states([quadlet], Answer(0, "Id=llama.service\nLoadState=loaded\nActiveState=active\n", ""))
    assert state["quadlet:llama"].runs_as == ("systemd:llama.service",)


def test_a_missing_one_is_refused() -> None:
    with pytest.raises(GpudeckError, match=r"no llama\.container"):
        Quadlet("llama").parse_definition(Answer(0, "", ""))
    with pytest.raises(UsageError, match="instance"):
        Quadlet("llama@x")


@pytest.mark.parametrize(("version", "refused"), [("4.9.3", True), ("5.0.0", False), ("5.10.1", False)])
def test_a_podman_that_would_not_read_the_drop_in_is_refused(version: str, refused: bool) -> None:
    said = f"podman version {version}\n# /etc/containers/systemd/llama.container\n{OWN}"
    found = Quadlet("llama").parse_definition(Answer(0, said, ""))
    assert found.argv[0] == "docker.io/vllm/vllm-openai:v0.9.1"
    if refused:
        with pytest.raises(GpudeckError, match=r"podman 4\.9 does not read drop-ins of llama\.container"):
            Quadlet("llama").overlay(found, found.argv, PINS)
    else:
        assert Quadlet("llama").overlay(found, found.argv, PINS)
