"""``gpudeck doctor`` on the simulated host, over real SSH."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli import main
from fleet.simulator.child import Demo

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with a state folder of its own; its standard output, or (code 2) its standard error."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("GPUDECK_FLEET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> str:
        assert main(["doctor", *words]) == code
        return capsys.readouterr()[code == 2]

    return run


def test_the_demo_is_in_order_from_ssh_to_every_engine(demo: Demo, run: Run) -> None:
    document = json.loads(run(str(demo.fleet_file), "--json"))
    assert document["schema"] == "gpudeck/doctor/1"
    of_host = {check["subject"]: check["grade"] for check in document["checks"] if check["area"] == "gpu01"}
    assert set(of_host.values()) == {"ok"}
    assert {"login", "sessions", "sudo", "steps", "journal", "probe", "clock", "llama-3.1-8b", "mai-ds-r1"} <= set(
        of_host
    )


def test_each_check_is_a_line_and_the_last_one_counts_them(demo: Demo, run: Run) -> None:
    told = run(str(demo.fleet_file)).splitlines()
    assert any(line.split()[:2] == ["ok", "login"] for line in told)
    assert told[-1].endswith("0 wrong.")


def test_what_the_fleet_file_says_wrongly_of_a_host_is_found(demo: Demo, run: Run, tmp_path: Path) -> None:
    text = demo.fleet_file.read_text(encoding="utf-8")
    text = text.replace("gpus: 8", "gpus: 9").replace("vllm 0.9.0", "vllm 0.9.1", 1)
    text = text.replace("127.0.0.1:8003", "127.0.0.1:1", 1)
    wrong = demo.directory / "wrong.yaml"
    wrong.write_text(text, encoding="utf-8")
    document = json.loads(run(str(wrong), "--json", code=1))
    told = {check["subject"]: check for check in document["checks"] if check["area"] == "gpu01"}
    assert "has 8 GPUs where the fleet file says 9" in told["GPUs"]["message"]
    assert told["GPUs"]["grade"] == "fail"
    versions = [check for check in told.values() if "where the fleet file says 0.9.1" in check["message"]]
    assert [(check["grade"], "engine: vllm 0.9.0" in check["way_out"]) for check in versions] == [("warn", True)]
    silent = [check for check in told.values() if "Nothing that is vllm answers" in check["message"]]
    assert [check["grade"] for check in silent] == ["fail"]


@pytest.mark.parametrize("text", ["hosts: [", "fleet: x\nhosts: {gpu01: {gpus: many}}\n"])
def test_a_bad_fleet_file_is_one_more_thing_that_is_wrong(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.yaml").write_text(text)
    told = run(code=1)
    assert "fail  file" in told
    assert "fleet.yaml:" in told


def test_without_a_fleet_file_the_rest_is_still_told(run: Run) -> None:
    told = run(code=1)
    assert "There is no fleet file" in told
    assert "encoding" in told


def test_settings_that_cannot_be_read_are_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.yaml").write_text("theme: purple\n")
    monkeypatch.setenv("GPUDECK_SETTINGS", str(tmp_path / "settings.yaml"))
    document = json.loads(run("--json", code=1))
    settings = next(check for check in document["checks"] if check["subject"] == "settings")
    assert settings["grade"] == "warn"
    assert "settings.yaml:1:8" in settings["message"]


def test_a_host_that_is_not_there_fails_and_nothing_more_is_asked_of_it(demo: Demo, run: Run, tmp_path: Path) -> None:
    (tmp_path / "ssh_config").write_text("Host gpu01\n  HostName 127.0.0.1\n  Port 1\n")
    (tmp_path / "fleet.yaml").write_text(
        "fleet: f\nssh_config: ssh_config\nhosts: {gpu01: {address: gpu01, accelerator: MI300X, gpus: 8}}\n"
    )
    document = json.loads(run("--json", code=1))
    of_host = [(check["subject"], check["grade"]) for check in document["checks"] if check["area"] == "gpu01"]
    assert of_host == [("login", "fail")]


def test_a_report_holds_no_secret_and_is_its_owners_alone(demo: Demo, run: Run, tmp_path: Path) -> None:
    text = demo.fleet_file.read_text(encoding="utf-8")
    secret = demo.directory / "secret.yaml"
    secret.write_text(text.replace("max-model-len: 80000", "max-model-len: 80000\n      api-key: Zx81QwErTy"))
    run(str(secret), "--bundle", "report.txt")
    report = (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "--api-key: ***" in report
    assert "Zx81QwErTy" not in report
    assert "host gpu01: 8 x MI300X" in report
    assert (tmp_path / "report.txt").stat().st_mode & 0o777 == 0o600
    assert "there already" in run(str(secret), "--bundle", "report.txt", code=2)


def test_a_report_with_hidden_names_names_nobody(demo: Demo, run: Run, tmp_path: Path) -> None:
    run(str(demo.fleet_file), "--bundle", "report.txt", "--hide-names")
    report = (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "host host-1: 8 x MI300X" in report
    for name in ("gpu01", "ops", "llama-", "devstral", "deepcoder", str(tmp_path), str(demo.directory)):
        assert name not in report


def test_lines_for_sudo_are_printed_without_a_look_at_the_host(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "fleet: f\nhosts: {gpu01: {address: me@nowhere.invalid, accelerator: MI300X, gpus: 8}}\n"
        "models: {m: {engine: other, memory: 1 GB, place: gpu01/0, service: 'systemd:m.service'}}\n"
    )
    told = run("--sudoers", "gpu01")
    assert "me ALL=(root) NOPASSWD: GPUDECK" in told
    assert "/usr/bin/systemctl start m.service" in told
    assert "There is no host 'gpu02'" in run("--sudoers", "gpu02", code=2)
