"""``gpudeck capacity``: a table and bars of plain text, one document, and errors as sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.cli import main
from console.commands.capacity import read_models
from fleet.errors import UsageError
from fleet.inventory.loading import load_text

FLEET = """
fleet: small
hosts:
  a: {address: ops@a, accelerator: MI300X, gpus: 2}
models:
  big: {engine: other, memory: 150 GB, place: a/0, service: 'systemd:big.service'}
"""
CONFIGURATION = "Host a\n  HostName 127.0.0.1\n  Port 1\n  BatchMode yes\n"


@pytest.fixture
def fleet_file(tmp_path: Path) -> str:
    """A fleet whose host answers nobody."""
    (tmp_path / "ssh_config").write_text(CONFIGURATION)
    path = tmp_path / "fleet.yaml"
    path.write_text(f"ssh_config: ./ssh_config\n{FLEET}")
    return str(path)


def test_room_is_drawn_in_plain_ascii(fleet_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", fleet_file]) == 0
    said = capsys.readouterr()
    assert said.out.isascii()
    assert "a/0" in said.out
    assert "It is reckoned as the fleet file says." in said.err


def test_a_model_is_answered_with_bars_and_a_server_to_buy(fleet_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["capacity", fleet_file, "--buy", "--add", "Qwen/Qwen3-32B", "util=0.5", "len=16k"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert "a/1  [" in text
    assert "fits, " in text
    assert "Most at once: " in text
    assert max(map(len, text.splitlines())) <= 100


def test_what_fits_nowhere_ends_with_1(fleet_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", fleet_file, "--json", "--add", "deepseek-ai/DeepSeek-V3", "big"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in document["models"]] == ["DeepSeek-V3?", "big?"]
    assert document["models"][1]["now"]["copies"] == 1


def test_words_with_an_equals_sign_belong_to_the_model_before_them() -> None:
    inventory = load_text(FLEET, Path("fleet.yaml"))
    models = read_models(["Qwen/Qwen3-32B tp=2", "len=32k", "big", "Qwen/Qwen3-32B"], inventory)
    assert [model.name for model in models] == ["Qwen3-32B?", "big?", "Qwen3-32B??"]
    assert dict(models[0].args) == {"tensor-parallel-size": 2, "max-model-len": 32768}
    assert not models[2].args


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tp=2"], "names no model"),
        (["nobody/knows-this"], "is not known"),
        (["big", "other.yaml"], "A fleet file stands before it"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_models(words, load_text(FLEET, Path("fleet.yaml")))
    assert sentence in str(refused.value)


def test_a_server_is_not_chosen_for_nothing(fleet_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", fleet_file, "--buy"]) == 2
    assert "for which model" in capsys.readouterr().err


def test_an_argument_the_engine_does_not_have_is_said(fleet_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["capacity", fleet_file, "--json", "--add", "Qwen/Qwen3-32B", "max-model-length=5", "util=0.5"])
    captured = capsys.readouterr()
    (warning,) = json.loads(captured.out)["warnings"]
    assert warning.endswith("--max-model-len may be meant.")
    assert f"gpudeck: warning: {warning}\n" in captured.err


def test_what_is_wider_than_every_host_is_told_the_widest_it_can_be(
    fleet_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", fleet_file, "--add", "Qwen/Qwen3-32B", "tp=4"]) == 1
    assert "no host has 4 GPUs; the largest has 2." in capsys.readouterr().out
    assert main(["capacity", fleet_file, "--add", "Qwen/Qwen3-32B", "tp=99"]) == 1
    said = capsys.readouterr().out
    assert "try tensor-parallel-size 2" in said
    assert "0.00 GiB" not in said
