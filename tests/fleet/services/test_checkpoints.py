"""Another checkpoint is named where the operator's own files name the old one, and nothing else changes."""

from __future__ import annotations

import pytest

from fleet.commands import Answer
from fleet.errors import GpudeckError
from fleet.services import Definition
from fleet.services.checkpoints import named_checkpoint, with_checkpoint
from fleet.services.systemd import Systemd

UNIT = Systemd("llama.service")
OLD, NEW = "google/gemma-3-27b-it", "gaunernst/gemma-3-27b-it-int4-awq"


def definition(command: str, variables: str = "", environment: str = "", overlay: str = "") -> Definition:
    own = f"# /etc/systemd/system/llama.service\n[Service]\nEnvironment={environment}\nExecStart={command}\n"
    ours = f"\n# /etc/systemd/system/llama.service.d/50-gpudeck.conf\n{overlay}" if overlay else ""
    return UNIT.parse_definition(Answer(0, f"{own}{ours}\n@variables /etc/default/llama\n{variables}\n", ""))


def changed(found: Definition, old: str = OLD, new: str = NEW) -> list[str]:
    """What the overlay would say."""
    after, variables = with_checkpoint(found, old, new)
    return UNIT.overlay(found, after.argv, variables).splitlines()[3:]


@pytest.mark.parametrize(
    ("command", "after"),
    [
        (f"/bin/vllm serve {OLD} --port 1", f"/bin/vllm serve {NEW} --port 1"),
        (f"/bin/vllm serve --port 1 {OLD} -tp 2", f"/bin/vllm serve --port 1 {NEW} -tp 2"),
        (f"/bin/vllm serve {OLD} --served-model-name {OLD}", f"/bin/vllm serve {NEW} --served-model-name {OLD}"),
        ("/bin/vllm serve ${MODEL} --port 1", f"/bin/vllm serve {NEW} --port 1"),
        ("/bin/vllm serve /weights/a --port 1", f"/bin/vllm serve {NEW} --port 1"),
        (f"/bin/vllm serve /models/{OLD} --port 1", f"/bin/vllm serve /models/{NEW} --port 1"),
        (
            f"/bin/python3 -m vllm.entrypoints.openai.api_server --model={OLD} --port 1",
            f"/bin/python3 -m vllm.entrypoints.openai.api_server --model={NEW} --port 1",
        ),
        (
            f"/bin/python3 -m sglang.launch_server --model-path {OLD}",
            f"/bin/python3 -m sglang.launch_server --model-path {NEW}",
        ),
        (f"/bin/text-embeddings-router --model-id {OLD}", f"/bin/text-embeddings-router --model-id {NEW}"),
    ],
)
def test_the_word_that_names_it_is_replaced_and_no_other(command: str, after: str) -> None:
    assert changed(definition(command)) == ["ExecStart=", f"ExecStart={after}"]


def test_a_file_is_taken_from_the_folder_of_the_other() -> None:
    found = definition("/bin/llama-server -m /models/R1-Q4_K_M.gguf -c 8192")
    after = "ExecStart=/bin/llama-server -m {} -c 8192"
    assert changed(found, "R1-Q4_K_M.gguf", "R1-IQ2_XS.gguf")[1] == after.format("/models/R1-IQ2_XS.gguf")
    assert changed(found, "R1-Q4_K_M.gguf", "/fast/R1-IQ2_XS.gguf")[1] == after.format("/fast/R1-IQ2_XS.gguf")


def test_a_file_is_still_taken_from_that_folder_after_our_overlay_named_another_there() -> None:
    overlay = "[Service]\nExecStart=\nExecStart=/bin/llama-server -m /models/b.gguf\n"
    found = definition("/bin/llama-server -m /models/a.gguf", overlay=overlay)
    assert changed(found, "b.gguf", "c.gguf")[1] == "ExecStart=/bin/llama-server -m /models/c.gguf"
    assert (named_checkpoint(found, "b.gguf"), named_checkpoint(found, "b.gguf", with_overlay=True)) == (
        "/models/a.gguf",
        "/models/b.gguf",
    )


def test_a_scripts_variable_that_holds_just_the_old_one_is_set() -> None:
    found = definition("/opt/run-vllm", environment=f"MODEL={OLD} OTHER=x")
    assert changed(found) == [f"Environment=MODEL={NEW}"]


def test_a_scripts_arguments_in_a_variable_are_set_with_the_new_one() -> None:
    found = definition("/bin/bash -c 'exec vllm serve $VLLM_ARGS'", f"VLLM_ARGS=--model {OLD} --dtype half")
    assert changed(found)[1] == (
        f"ExecStart=/usr/bin/env \"VLLM_ARGS=--model {NEW} --dtype half\" /bin/bash -c 'exec vllm serve $VLLM_ARGS'"
    )


def test_a_variable_the_manager_fills_in_is_written_out() -> None:
    found = definition("/bin/vllm serve $VLLM_ARGS --port 1", f"VLLM_ARGS=--model {OLD} --dtype half")
    assert changed(found)[1] == f"ExecStart=/bin/vllm serve --model {NEW} --dtype half --port 1"


@pytest.mark.parametrize(
    "command", ["/opt/run-vllm", f"/bin/bash -c 'exec vllm serve {OLD}'", "/bin/vllm serve $VLLM_ARGS"]
)
def test_what_a_script_names_itself_is_refused_with_the_place_to_edit(command: str) -> None:
    with pytest.raises(GpudeckError) as refused:
        changed(definition(command, "VLLM_ARGS=--dtype half"))
    assert "does not say which checkpoint it serves" in refused.value.message
    assert "/etc/systemd/system/llama.service" in (refused.value.way_out or "")


def test_a_command_line_with_a_secret_is_not_copied() -> None:
    with pytest.raises(GpudeckError, match="holds a secret"):
        changed(definition(f"/bin/vllm serve {OLD} --api-key abc"))
