"""The console in lines tells each change once."""

from __future__ import annotations

from recorded_demo import READ_AT, RecordedSession, recorded_snapshot

from console.sentences import Teller, change_sentence
from fleet.inventory.changes import Disable, Enable, Move, Restart, SetArgument
from fleet.model import Place
from fleet.readings import Link


def test_at_first_everything_is_told_and_then_nothing_until_something_changes(session: RecordedSession) -> None:
    teller = Teller()
    first = teller.tell(session.state())
    assert first[0] == "Host gpu01 is live."
    assert "gemma-3-27b is serving on gpu01/7." in first
    assert sum(text.startswith("gpu01/") for text in first) == 8
    assert teller.tell(session.state()) == []


def test_a_change_is_told_once_and_what_is_over_is_told_as_over(session: RecordedSession) -> None:
    teller = Teller()
    teller.tell(session.state())
    session.stage(Move("gemma-3-27b", Place("gpu01", (1,))))
    news = teller.tell(session.state())
    assert news
    assert all(text.startswith(("Draft, ", "Now, ")) for text in news)
    session.undo()
    over = teller.tell(session.state())
    assert len(over) == sum(text.startswith("Draft, ") for text in news)
    assert all(text.startswith("No longer: error MEM") and "Fix:" not in text for text in over)


def test_a_host_that_is_lost_is_told_with_the_reason_and_its_memory_no_more(session: RecordedSession) -> None:
    teller = Teller()
    teller.tell(session.state())
    session.board.publish(recorded_snapshot(Link.LOST, "no answer for 30 s"))
    news = teller.tell(session.state(READ_AT + 60))
    assert news[0].startswith("Host gpu01 is lost")
    assert not any(" uses " in text for text in news)


def test_every_change_has_its_sentence() -> None:
    assert [
        change_sentence(change)
        for change in (
            Move("m", Place("gpu01", (4, 5, 6))),
            SetArgument("m", "max-model-len", 8192),
            SetArgument("m", "max-model-len", None),
            Enable("m"),
            Disable("m"),
            Restart("m"),
        )
    ] == [
        "Move m to gpu01/4-6.",
        "Set max-model-len of m to 8192.",
        "Take max-model-len of m away.",
        "Enable m.",
        "Disable m.",
        "Restart m.",
    ]
