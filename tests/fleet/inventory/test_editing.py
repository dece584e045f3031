"""Changes reach the operator's file as the changed values and nothing else."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.errors import UsageError
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument, apply
from fleet.inventory.editing import edited, save
from fleet.inventory.loading import load_text
from fleet.model import Place

DEMO = Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml"
TEXT = DEMO.read_text(encoding="utf-8")
INVENTORY = load_text(TEXT, DEMO)

names = st.sampled_from([model.name for model in INVENTORY.models])
single = [model.name for model in INVENTORY.models if model.place is None or len(model.place.gpus) == 1]
changes = st.one_of(
    st.builds(Move, st.sampled_from(single), st.integers(0, 7).map(lambda gpu: Place("gpu01", (gpu,)))),
    st.builds(
        SetArgument, names, st.sampled_from(["max-model-len", "max-num-seqs"]), st.none() | st.integers(1, 99999)
    ),
    st.builds(SetArgument, names, st.just("gpu-memory-utilization"), st.floats(0.01, 1).map(lambda f: round(f, 2))),
    st.builds(
        SetArgument, names, st.just("served-model-name"), st.sampled_from(["a b", "yes", "1.0", "x: y", "#", "é"])
    ),
    st.builds(Serve, names, st.sampled_from(["a/b", "/models/x y.gguf", "0.9", "#", "true"])),
    st.builds(Disable, names),
    st.builds(Restart, names),
)


def changed_lines(after: str) -> list[str]:
    lines = difflib.ndiff(TEXT.splitlines(), after.splitlines())
    return [line for line in lines if line[:1] in "+-"]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            Move("kb-whisper-large", Place("gpu01", (7,))),
            ["-     place: gpu01/0", "+     place: gpu01/7"],
        ),
        (
            SetArgument("devstral-small", "max-model-len", 65536),
            [
                "-       max-model-len: 80000    # raised from 32768",
                "+       max-model-len: 65536    # raised from 32768",
            ],
        ),
        (SetArgument("llama-3.1-8b", "max-num-seqs", 64), ["+       max-num-seqs: 64"]),
        (
            SetArgument("gemma-3-27b", "dtype", None),
            ["-       dtype: bfloat16"],
        ),
        (SetArgument("docling", "workers", 2), ["+     args:", "+       workers: 2"]),
        (
            Serve("devstral-small", "a/devstral-awq"),
            ["-     source: mistralai/Devstral-Small-2505", "+     source: a/devstral-awq"],
        ),
        (Serve("docling", "a: b"), ['+     source: "a: b"']),
        (Disable("docling"), ["+     enabled: false"]),
        (Restart("docling"), []),
    ],
)
def test_only_the_changed_value_changes(change: Change, lines: list[str]) -> None:
    assert changed_lines(edited(TEXT, [change])) == lines


def test_enabling_takes_the_line_away_and_gives_a_place() -> None:
    after = edited(TEXT, [Move("qwen3-32b", Place("gpu01", (7,))), Enable("qwen3-32b")])
    assert sorted(changed_lines(after)) == ["+     place: gpu01/7", "-     enabled: false"]


@given(st.lists(changes, max_size=4))
@settings(max_examples=80)
def test_the_edited_file_means_what_the_changes_mean(staged: list[Change]) -> None:
    try:
        after = edited(TEXT, staged, DEMO)
    except UsageError:
        return  # two models would share something
    assert load_text(after, DEMO) == apply(INVENTORY, staged)
    kept = [line for line in TEXT.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in after.splitlines() if line.lstrip().startswith("#")] == kept


def test_editing_twice_changes_nothing_more() -> None:
    once = edited(TEXT, [Move("docling", Place("gpu01", (2,)))])
    assert edited(once, [Move("docling", Place("gpu01", (2,)))]) == once


def test_a_value_shared_by_an_alias_is_not_changed_for_both() -> None:
    text = TEXT.replace("    place: gpu01/1\n", "    place: &one gpu01/1\n", 1).replace(
        "    place: gpu01/1\n", "    place: *one\n", 1
    )
    with pytest.raises(UsageError, match="by hand"):
        edited(text, [Move("deepcoder-14b", Place("gpu01", (7,)))])


def test_saving_keeps_the_mode_and_the_previous_version(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    after = edited(TEXT, [Disable("docling")])
    save(path, TEXT, after)
    assert path.read_text() == after
    assert path.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "fleet.yaml~").read_text() == TEXT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fleet.yaml", "fleet.yaml~"]


def test_a_file_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(TEXT + "# by a colleague\n")
    with pytest.raises(UsageError, match="changed meanwhile"):
        save(path, TEXT, edited(TEXT, [Disable("docling")]))
    assert path.read_text().endswith("# by a colleague\n")
    assert [p.name for p in tmp_path.iterdir()] == ["fleet.yaml"]


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "fleet.yaml"
    real.write_text(TEXT)
    link.symlink_to(real)
    after = edited(TEXT, [Disable("docling")])
    save(link, TEXT, after)
    assert link.is_symlink()
    assert real.read_text() == after
