"""``gpudeck history``: what was recorded, as text and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.cli import main
from console.fleets import history_path, state_folder
from fleet.history.values import Entry, Event, EventKind, Frame, Kind, Sample, Standing, Start, Subject
from fleet.history.writer import Writer
from fleet.inventory.loading import load

ROOT = Path(__file__).parents[2]
DEMO_FLEET = ROOT / "fleet" / "simulator" / "fleet.yaml"
GIB = 1 << 30
NOW = 1_800_000_000

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], utc: None) -> Run:
    """Runs the command at a fixed time and place; its standard output."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("console.commands.history.time.time", lambda: NOW)

    def run(*words: str, code: int = 0) -> str:
        assert main(["history", "--fleet", str(DEMO_FLEET), *words]) == code
        return capsys.readouterr()[1 if code else 0]

    return run


@pytest.fixture
def recorded(run: Run) -> None:
    """An hour of one GPU and one model, with a minute of load in it."""
    entries: list[Entry] = []
    for second in range(0, 3600, 10):
        load = 1800 <= second < 1860
        gpu = (98 * GIB + load * GIB, 99 if load else 20, 54, 48, 391)
        model = (97 * GIB, 0.97 if load else 0.25, 8, 12 * load, 1234.5, 2, 0.4)
        samples = (
            Sample(Subject(Kind.GPU, "gpu01/0"), "gpu01 0000:0c:00.0", gpu),
            Sample(Subject(Kind.MODEL, "llama-3.1-8b"), "llama-3.1-8b", model),
        )
        entries.append(Frame(NOW - 3600 + second, samples))
    entries += [
        Event(NOW - 3000, EventKind.STATE, "llama-3.1-8b", "serving"),
        Event(NOW - 1740, EventKind.STATE, "llama-3.1-8b", "failed"),
        Event(NOW - 1000, EventKind.LINK, "gpu01", "live"),
        Standing(NOW - 900, {"KV001 llama-3.1-8b": "error: max seq len exceeds the KV cache"}),
        Start(
            NOW - 9000,
            "run 1",
            "llama-3.1-8b",
            "gpu01/0",
            "vllm 0.9.2",
            "3f2a",
            {"weights": 15 * GIB, "kv_cache": 70 * GIB},
            {"weights": 16 * GIB},
            "started",
            seconds=41.0,
        ),
    ]
    write(entries)


def write(entries: Sequence[Entry]) -> None:
    writer = Writer(history_path(load(DEMO_FLEET), state_folder()), clock=lambda: NOW)
    for entry in entries:
        writer.add(entry)
    writer.flush()
    writer.close()
    assert not writer.trouble


def test_the_fleet_is_told_at_a_glance(run: Run, recorded: None) -> None:
    told = run()
    gpu = next(line for line in told.splitlines() if line.startswith("gpu01/0"))
    assert gpu.split()[2:] == ["99.0", "99", "54", "48", "391"]
    model = next(line for line in told.splitlines() if line.startswith("llama-3.1-8b"))
    assert model.split()[2:] == ["97", "97.0", "8", "12", "1234"]
    assert "gpu01/1" not in told


def test_a_model_is_told_with_its_peak_where_it_was(run: Run, recorded: None) -> None:
    told = run("llama-3.1-8b")
    kv = next(line for line in told.splitlines() if "KV cache" in line)
    assert kv.split()[2].count("█") == 1
    assert "peak    97 % at 01-15 07:30" in kv
    assert "TTFT p95" in told
    assert "llama-3.1-8b is failed, was serving" in told
    assert "KV001 llama-3.1-8b error: max seq len" in told
    assert "is serving" not in told
    assert "gpu01 is" not in told


def test_a_peak_within_a_long_column_is_told_at_its_own_minute_and_no_time_is_yet_to_come(
    run: Run, recorded: None
) -> None:
    told = run("llama-3.1-8b", "--since", "1d")
    assert "a column is 24 min" in told
    assert "peak    97 % at 01-15 07:30" in told
    assert " to 01-15 08:00; " in told


def test_starts_are_told_as_reckoned_and_as_they_came(run: Run, recorded: None) -> None:
    told = run("llama-3.1-8b", "--since", "15min")
    assert "gpu01/0  vllm 0.9.2  started in 41 s  arguments 3f2a" in told
    assert "weights      reckoned   15.0  measured   16.0 GiB" in told
    assert "kv cache     reckoned   70.0  measured      – GiB" in told


def test_json_has_every_bucket_and_says_where_nothing_was_read(run: Run, recorded: None) -> None:
    found = json.loads(run("--json", "--since", "2h"))
    assert found["schema"] == "gpudeck/history/1"
    assert found["step_seconds"] == 240
    gpu = next(gpu for gpu in found["gpus"] if gpu["id"] == "gpu01/0")
    assert gpu["used_bytes"][0] is None
    assert max(bucket["peak"] for bucket in gpu["used_bytes"] if bucket) == 99 * GIB
    other = next(gpu for gpu in found["gpus"] if gpu["id"] == "gpu01/1")
    assert set(other["used_bytes"]) == {None}
    (start,) = found["starts"]
    assert start["predicted"] == {"weights_bytes": 15 * GIB, "kv_cache_bytes": 70 * GIB}
    assert {event["kind"] for event in found["events"]} == {"state", "link", "finding"}


def test_a_gpu_can_be_asked_for(run: Run, recorded: None) -> None:
    told = run("gpu01/0", "--since", "90 min")
    assert "power" in told
    assert "peak   391 W" in told


def test_a_fleet_that_was_never_recorded_says_so(run: Run) -> None:
    assert "Nothing is recorded yet" in run()
    assert json.loads(run("--json"))["events"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nobody",), "There is no model or GPU 'nobody' in this fleet"),
        (("--since", "yesterday"), "'yesterday' is not a time span"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in run(*words, code=2)


def test_a_file_that_cannot_be_read_is_a_sentence(run: Run) -> None:
    path = history_path(load(DEMO_FLEET), state_folder())
    path.parent.mkdir(parents=True)
    path.write_text("something else " * 1000)
    assert "cannot be read" in run(code=1)


def test_reading_the_history_needs_neither_a_terminal_nor_ssh() -> None:
    code = "import sys, console.commands.history; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"textual", "rich", "asyncssh"}
