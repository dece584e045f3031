"""Units as gpudeck reads, overlays and drives them."""

from __future__ import annotations

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError, UsageError
from fleet.services.systemd import Systemd

UNIT = Systemd("vllm-llama.service", "sudo")
OWN = """\
# /etc/systemd/system/vllm-llama.service
[Unit]
Description=Llama

[Service]
Environment="HF_HOME=/data/hf cache" HIP_VISIBLE_DEVICES=3
Environment=HF_TOKEN=hf_secret
ExecStart=/opt/vllm/bin/vllm serve meta-llama/Llama \\
    --port 8001 --served-model-name '%p' $EXTRA \\
    --gpu-memory-utilization 0.5

# /etc/systemd/system/vllm-llama.service.d/10-nice.conf
[Service]
Nice=5
"""
ARGV = (
    "/opt/vllm/bin/vllm", "serve", "meta-llama/Llama", "--port", "8001", "--served-model-name", "%p",
    "$EXTRA", "--gpu-memory-utilization", "0.5",
)  # fmt: skip


def printed(text: str) -> Answer:
    return Answer(0, text, "")


def test_the_command_line_and_environment_are_the_operators_own() -> None:
    definition = UNIT.parse_definition(printed(OWN))
    assert definition.argv == ARGV
    assert definition.environment == {
        "HF_HOME": "/data/hf cache",
        "HIP_VISIBLE_DEVICES": "3",
        "HF_TOKEN": "hf_secret",
    }
    assert definition.overlay is None
    assert definition.overlaid_argv == ()


def test_our_overlay_is_returned_as_it_stands_and_left_out_of_the_definition() -> None:
    definition = UNIT.parse_definition(printed(OWN))
    argv = (*ARGV[:-1], "0.6")
    overlay = UNIT.overlay(definition, argv, {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None})
    later = "# /etc/systemd/system/vllm-llama.service.d/90-later.conf\n[Service]\nNice=6\n"
    again = UNIT.parse_definition(printed(f"{OWN}\n# /{UNIT.folder.lstrip('/')}/50-gpudeck.conf\n{overlay}\n{later}"))
    assert again.argv == definition.argv
    assert again.environment == definition.environment
    assert again.overlay == overlay
    assert again.overlaid_argv == argv


def test_an_overlay_sets_clears_and_changes_only_what_it_is_asked_to() -> None:
    definition = UNIT.parse_definition(printed(OWN))
    overlay = UNIT.overlay(
        definition,
        (*ARGV[:-1], "0.6", "--note", "100% $HOME"),
        {"HIP_VISIBLE_DEVICES": None, "CUDA_VISIBLE_DEVICES": None, "ROCR_VISIBLE_DEVICES": "GPU-1a,GPU-2b"},
    )
    assert overlay.splitlines()[2:] == [
        "[Service]",
        "UnsetEnvironment=HIP_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES",
        "Environment=ROCR_VISIBLE_DEVICES=GPU-1a,GPU-2b",
        "ExecStart=",
        "ExecStart=/opt/vllm/bin/vllm serve meta-llama/Llama --port 8001 --served-model-name '%p' $EXTRA "
        '--gpu-memory-utilization 0.6 --note "100%% $$HOME"',
    ]
    assert overlay.startswith("# Written by gpudeck")


def test_the_command_line_stays_out_of_an_overlay_that_only_moves() -> None:
    definition = UNIT.parse_definition(printed(OWN))
    assert "ExecStart" not in UNIT.overlay(definition, definition.argv, {"ROCR_VISIBLE_DEVICES": "GPU-1a"})


def test_a_reset_in_a_drop_in_replaces_the_command_line() -> None:
    text = (
        "# /usr/lib/systemd/system/x.service\n[Service]\nExecStart=/bin/old\n\n"
        "# /etc/systemd/system/x.service.d/1.conf\n[Service]\nExecStart=\nExecStart=-/bin/new --a\n"
    )
    definition = Systemd("x.service").parse_definition(printed(text))
    assert definition.argv == ("/bin/new", "--a")
    assert "ExecStart=-/bin/new --b" in Systemd("x.service").overlay(definition, ("/bin/new", "--b"), {})


def test_a_missing_unit_is_an_error_with_the_managers_words() -> None:
    with pytest.raises(GpudeckError, match=r"No files found for vllm-llama\.service"):
        UNIT.parse_definition(Answer(1, "", "No files found for vllm-llama.service.\n"))


@pytest.mark.parametrize("lines", ["", "ExecStart=/bin/a\nExecStart=/bin/b\n", "ExecStart=/bin/a ; /bin/b\n"])
def test_a_unit_that_does_not_run_one_program_is_refused(lines: str) -> None:
    with pytest.raises(GpudeckError, match="ExecStart"):
        UNIT.parse_definition(printed(f"# /etc/systemd/system/vllm-llama.service\n[Service]\n{lines}"))


@pytest.mark.parametrize(
    "name",
    ["", "x", "../x.service", "a b.service", "-x.service", "x.service\n", "$(reboot).service", "t@.service",
     f"{'x' * 300}.service", "x.timer", "x*.service"],
)  # fmt: skip
def test_a_name_that_is_no_units_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not the name of a systemd service"):
        Systemd(name)


def test_an_overlay_is_written_beside_and_renamed_over() -> None:
    commands = UNIT.write_overlay("[Service]\n")
    assert [command.line for command in commands] == [
        "sudo -n -- mkdir -p /etc/systemd/system/vllm-llama.service.d",
        "sudo -n -- tee /etc/systemd/system/vllm-llama.service.d/50-gpudeck.conf.new",
        "sudo -n -- mv -T /etc/systemd/system/vllm-llama.service.d/50-gpudeck.conf.new "
        "/etc/systemd/system/vllm-llama.service.d/50-gpudeck.conf",
        "sudo -n -- systemctl daemon-reload",
    ]
    assert commands[1].stdin == b"[Service]\n"


def test_a_users_unit_is_driven_without_becoming_root() -> None:
    unit = Systemd("whisper.service", "sudo", user=True)
    assert unit.name == "systemd-user:whisper.service"
    assert unit.start().line == "systemctl --user start whisper.service"
    assert unit.write_overlay("x\n")[0].line == "mkdir -p .config/systemd/user/whisper.service.d"
    assert unit.logs(5, follow=True).line == "journalctl --user -u whisper.service -n 5 -o cat --no-pager -f"


def test_a_variables_name_must_be_one() -> None:
    definition = UNIT.parse_definition(printed(OWN))
    with pytest.raises(UsageError, match="not the name of an environment variable"):
        UNIT.overlay(definition, definition.argv, {"A=B\n[X]": "1"})


RUNS_A_CONTAINER = (
    "/usr/bin/podman run --cgroups=split --rm -d --device /dev/kfd --device /dev/dri --env HIP_VISIBLE_DEVICES=3 "
    "--env HF_HOME=/x docker.io/vllm/vllm-openai:v0.9.1 --model m --max-model-len 8192"
)


def test_a_container_that_a_unit_runs_is_given_variables_and_nodes_itself() -> None:
    found = UNIT.parse_definition(printed(f"# /run/vllm-llama.service\n[Service]\nExecStart={RUNS_A_CONTAINER}\n"))
    assert found.environment == {"HIP_VISIBLE_DEVICES": "3", "HF_HOME": "/x"}
    assert found.devices == ("/dev/kfd", "/dev/dri")
    argv = (*found.argv[:-1], "4096")
    pins = {"ROCR_VISIBLE_DEVICES": "GPU-1a", "HIP_VISIBLE_DEVICES": None}
    overlay = UNIT.overlay(found, argv, pins, ["/dev/dri/renderD129"])
    assert overlay.splitlines()[2:] == [
        "[Service]",
        "ExecStart=",
        "ExecStart=/usr/bin/podman run --cgroups=split --rm -d --device /dev/kfd --env HF_HOME=/x "
        "--device=/dev/dri/renderD129 --env=ROCR_VISIBLE_DEVICES=GPU-1a "
        "docker.io/vllm/vllm-openai:v0.9.1 --model m --max-model-len 4096",
    ]


def test_a_container_that_is_not_in_its_units_group_is_refused() -> None:
    text = f"# /run/vllm-llama.service\n[Service]\nExecStart={RUNS_A_CONTAINER.replace('--cgroups=split ', '')}\n"
    with pytest.raises(GpudeckError, match="not the unit's") as refused:
        UNIT.parse_definition(printed(text))
    assert "Quadlet" in refused.value.way_out
