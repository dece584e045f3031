"""A model served several times: one entry, a copy for every place, arguments shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.findings.assess import assess
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, SetArgument, apply, with_copies
from fleet.inventory.editing import edited
from fleet.inventory.loading import FleetFileError, load_text, model_places
from fleet.model import Place

FILE = """\
fleet: test
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 8}
  gpu02: {address: ops@gpu02, accelerator: MI300X, gpus: 8}
models:
  llama:  # the one everybody asks
    source: meta-llama/Llama-3.1-8B-Instruct
    engine: vllm 0.9.2
    place: gpu01/0
    service: systemd:vllm-llama.service
    url: http://127.0.0.1:8001
    role: chat
    router: {add: "router add {model} {url}", remove: "router rm {model}"}
    args:
      gpu-memory-utilization: 0.3
    replicas:
      - place: gpu01/1  # beside it
        service: systemd:vllm-llama-b.service
        url: http://127.0.0.1:8002
      - {place: gpu02/0, enabled: false}
"""
PATH = Path("fleet.yaml")
INVENTORY = load_text(FILE, PATH)


def difference(*changes: Change) -> list[tuple[str, str]]:
    """The lines that change, before and after."""
    after = edited(FILE, changes, PATH).splitlines()
    assert len(after) == len(FILE.splitlines())
    return [pair for pair in zip(FILE.splitlines(), after, strict=True) if pair[0] != pair[1]]


def complaints(text: str) -> list[str]:
    with pytest.raises(FleetFileError) as raised:
        load_text(text, PATH)
    return [str(problem) for problem in raised.value.problems]


def test_every_copy_is_a_model_of_its_own_with_what_they_share() -> None:
    told = [(m.name, str(m.place), m.service, m.url, m.enabled, m.replica_of) for m in INVENTORY.models]
    assert told == [
        ("llama", "gpu01/0", "systemd:vllm-llama.service", "http://127.0.0.1:8001", True, "llama"),
        ("llama_2", "gpu01/1", "systemd:vllm-llama-b.service", "http://127.0.0.1:8002", True, "llama"),
        ("llama_3", "gpu02/0", "systemd:vllm-llama.service", "http://127.0.0.1:8001", False, "llama"),
    ]
    first, *others = INVENTORY.models
    shared = [(model.engine, model.args, model.role, model.handling) for model in (first, *others)]
    assert shared[1:] == shared[:1] * 2


def test_a_model_without_replicas_is_a_copy_of_nothing() -> None:
    (alone,) = load_text(FILE[: FILE.index("    replicas:")], PATH).models
    assert alone.replica_of is None


def test_a_role_with_two_copies_is_served_twice() -> None:
    def codes(text: str) -> set[str]:
        return {finding.code for finding in assess(load_text(text, PATH), with_advice=True).findings}

    alone = codes(FILE[: FILE.index("    replicas:")])
    assert "RED001" in alone
    assert "RED001" not in codes(FILE)


def test_a_move_of_a_copy_changes_its_own_line() -> None:
    assert difference(Move("llama_2", Place.parse("gpu01/7"))) == [
        ("      - place: gpu01/1  # beside it", "      - place: gpu01/7  # beside it")
    ]
    assert difference(Move("llama", Place.parse("gpu01/7"))) == [("    place: gpu01/0", "    place: gpu01/7")]


def test_an_argument_is_that_of_every_copy_and_is_written_once() -> None:
    change = SetArgument("llama_3", "gpu-memory-utilization", 0.4)
    assert difference(change) == [("      gpu-memory-utilization: 0.3", "      gpu-memory-utilization: 0.4")]
    assert {m.args["gpu-memory-utilization"] for m in apply(INVENTORY, [change]).models} == {0.4}
    assert [each.model for each in with_copies(INVENTORY, [change])] == ["llama", "llama_2", "llama_3"]
    assert with_copies(INVENTORY, [Restart("llama_2")]) == (Restart("llama_2"),)


def test_a_copy_is_enabled_and_disabled_by_itself() -> None:
    assert load_text(edited(FILE, [Enable("llama_3")], PATH), PATH).model("llama_3").enabled
    after = load_text(edited(FILE, [Disable("llama_2")], PATH), PATH)
    assert [model.enabled for model in after.models] == [True, False, False]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gpu02/0, en", "gpu02/9, en", "20:17: place of llama_3: there is no gpu02/9; the GPUs of gpu02 are 0 to 7."),
        ("gpu02/0, en", "gpu01/4, en", "20:9: url of llama_3: port 8001 of gpu01 is llama's already."),
        (
            "llama-b.service",
            "llama.service",
            "18:18: service of llama_2: systemd:vllm-llama.service on gpu01",
        ),
        ("    replicas:", "    fit: {}\n    replicas:", "fit of llama: its copies share their arguments"),
        ("place: gpu01/1  # beside it\n        ", "", "copy 2 of llama needs place: the GPUs it runs on"),
        ("enabled: false", "port: 1", "copy 3 of llama has no key 'port'; known are place, service, url, enabled."),
        ("place: gpu02/0", "place: 3", "place of copy 3 of llama must be text, not 3"),
        ("    replicas:", "    replicas: 2\n    note:", "replicas of llama must be a list, not 2."),
    ],
)
def test_what_is_wrong_with_a_copy_is_said_at_its_place(old: str, new: str, said: str) -> None:
    assert any(said in complaint for complaint in complaints(FILE.replace(old, new)))


def test_a_copy_may_not_take_the_name_of_another_model() -> None:
    other = "  llama_2: {engine: whisper, memory: 1 GB, place: gpu01/3}\n"
    (said,) = complaints(FILE + other)
    assert "a copy of llama is llama_2, and there is a model of that name." in said


def test_each_copy_is_found_where_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(FILE)
    assert model_places(path) == {"llama": (6, 3), "llama_2": (17, 9), "llama_3": (20, 9)}
