"""Changes staged, taken back and staged again."""

from __future__ import annotations

import pytest

from fleet.errors import UsageError
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument
from fleet.model import Arguments, Engine, Model, Place
from fleet.planning.draft import Draft

HERE, THERE, ELSEWHERE = (Place("gpu01", (index,)) for index in range(3))
FLEET = Inventory(
    "test",
    (Host("gpu01", "gpu01", "MI300X", 8),),
    (
        Model("a", Engine("vllm"), "a/b", place=HERE, args=Arguments({"max-model-len": 8192})),
        Model("new", Engine("vllm"), enabled=False),
    ),
)


def test_a_later_change_of_the_same_value_replaces_the_earlier_one() -> None:
    draft = Draft().stage(Move("a", THERE)).stage(SetArgument("a", "dtype", "half")).stage(Move("a", ELSEWHERE))
    assert draft.changes == (Move("a", ELSEWHERE), SetArgument("a", "dtype", "half"))
    assert draft.after(FLEET).model("a").place == ELSEWHERE


@pytest.mark.parametrize(
    "change",
    [
        Move("a", HERE),
        SetArgument("a", "max-model-len", 8192),
        SetArgument("a", "dtype", None),
        Serve("a", "a/b"),
        Enable("a"),
        Disable("new"),
    ],
)
def test_a_value_set_back_to_what_runs_is_no_change(change: Change) -> None:
    draft = Draft().stage(change)
    assert draft.in_effect(FLEET) == ()
    assert draft.words(FLEET) == ()


def test_another_checkpoint_is_a_value_of_its_own_and_a_name_that_is_none_is_refused() -> None:
    draft = Draft().stage(Serve("a", "a/c")).stage(Serve("a", "a/d"), Move("a", THERE))
    assert draft.words(FLEET) == ("move a to gpu01/1", "serve a/d as a")
    assert draft.after(FLEET).model("a").source == "a/d"
    for name in ("", "--trust-remote-code", "a\nb", "a\x1b[2J"):
        with pytest.raises(UsageError, match="a cannot be served from another checkpoint"):
            Draft().stage(Serve("a", name)).after(FLEET)


def test_a_restart_is_always_a_change() -> None:
    assert Draft().stage(Restart("a")).words(FLEET) == ("restart a",)


def test_undo_brings_the_earlier_change_back_and_redo_the_later() -> None:
    draft = Draft().stage(Move("a", THERE)).stage(Move("a", ELSEWHERE))
    assert draft.undo().changes == (Move("a", THERE),)
    assert draft.undo().redo() == draft
    assert draft.undo().undo().undo() == draft.undo().undo()
    assert draft.redo() == draft


def test_changes_staged_together_are_taken_back_together() -> None:
    draft = Draft().stage(Move("a", THERE)).stage(SetArgument("a", "x", 1), SetArgument("a", "y", 2))
    assert draft.undo().changes == (Move("a", THERE),)


def test_staging_forgets_what_was_taken_back() -> None:
    draft = Draft().stage(Move("a", THERE)).undo().stage(Restart("a"))
    assert draft.redo() == draft


def test_a_cleared_draft_comes_back_with_one_redo() -> None:
    draft = Draft().stage(Move("a", THERE)).stage(Restart("a"))
    assert draft.clear().changes == ()
    assert draft.clear().redo().changes == draft.changes


def test_a_model_may_be_enabled_before_it_is_given_its_place() -> None:
    draft = Draft().stage(Enable("new")).stage(Move("new", THERE))
    assert draft.after(FLEET).model("new").enabled
    assert draft.in_effect(FLEET) == (Move("new", THERE), Enable("new"))


def test_a_draft_that_makes_no_sense_says_so() -> None:
    with pytest.raises(UsageError, match="has no place to run"):
        Draft().stage(Enable("new")).after(FLEET)
    with pytest.raises(UsageError, match="no model 'nobody'"):
        Draft().stage(Restart("nobody")).after(FLEET)
