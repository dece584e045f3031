"""What became so, and what stood at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.history.file import open_file
from fleet.history.reading import History
from fleet.history.recording import Recording
from fleet.history.values import Entry, Event, EventKind, Standing, Start

NOON = 1_800_000_000


class Kept:
    def __init__(self, path: Path) -> None:
        self.database = open_file(path)
        self.recording = Recording(self.database)
        self.history = History(self.database)

    def record(self, *entries: Entry) -> None:
        self.recording.write(entries)

    def told(self) -> list[tuple[int, str, str | None, str | None]]:
        return [(e.at - NOON, e.subject, e.before, e.value) for e in self.history.events(0, NOON + 10_000)]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path / "fleet.history")
    yield found
    found.database.close()


def state(at: int, model: str, word: str) -> Event:
    return Event(NOON + at, EventKind.STATE, model, word)


def test_a_change_is_told_with_what_was_before(kept: Kept) -> None:
    kept.record(state(0, "llama", "serving"), state(10, "llama", "failed"))
    assert kept.told() == [(0, "llama", None, "serving"), (10, "llama", "serving", "failed")]


def test_what_is_still_so_is_not_told_again(kept: Kept) -> None:
    kept.record(state(0, "llama", "serving"))
    kept.record(state(60, "llama", "serving"))
    assert kept.told() == [(0, "llama", None, "serving")]


def test_a_flapping_link_that_two_consoles_see_is_told_once(kept: Kept) -> None:
    def seen(late: float) -> list[Event]:
        words = ["live", "stale", "live", "lost", "live"]
        return [Event(int(NOON + n * 10 + late), EventKind.LINK, "gpu01", word) for n, word in enumerate(words)]

    kept.record(*seen(0))
    kept.record(*seen(2))
    assert [value for *_, value in kept.told()] == ["live", "stale", "live", "lost", "live"]


def test_a_finding_is_told_when_it_comes_and_when_it_goes_not_at_every_number(kept: Kept) -> None:
    kept.record(Standing(NOON, {"KV001 llama": "36,000 tokens are short"}))
    kept.record(Standing(NOON + 10, {"KV001 llama": "36,002 tokens are short"}))
    kept.record(Standing(NOON + 20, {"MEM001 gemma": "needs more"}))
    assert kept.told() == [
        (0, "KV001 llama", None, "36,000 tokens are short"),
        (20, "KV001 llama", "36,000 tokens are short", None),
        (20, "MEM001 gemma", None, "needs more"),
    ]


def test_what_ended_while_nobody_watched_is_told_by_the_next_console(kept: Kept) -> None:
    kept.record(Standing(NOON, {"KV001 llama": "short"}), state(0, "llama", "serving"))
    kept.record(Standing(NOON + 5000, {}), state(5000, "llama", "failed"))
    assert kept.history.at(NOON + 4999).facts == {
        (EventKind.FINDING, "KV001 llama"): "short",
        (EventKind.STATE, "llama"): "serving",
    }
    assert kept.history.at(NOON + 5000).facts == {(EventKind.STATE, "llama"): "failed"}


def test_events_of_one_model_are_those_that_name_it(kept: Kept) -> None:
    kept.record(
        state(0, "llama", "serving"), state(1, "llama-3", "serving"), Standing(NOON + 2, {"KV001 llama": "short"})
    )
    assert [event.subject for event in kept.history.events(0, NOON + 10, "llama")] == ["llama", "KV001 llama"]


def test_events_are_bounded_but_what_stands_is_kept(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.history.recording.EVENTS_KEPT", 20)
    kept.record(Event(NOON, EventKind.LINK, "gpu01", "live"))
    kept.record(*(state(n, "llama", "serving" if n % 2 else "failed") for n in range(100)))
    kept.recording._prune(NOON + 1000)
    assert len(kept.told()) <= 21
    assert kept.history.at(NOON + 1000).facts == {
        (EventKind.LINK, "gpu01"): "live",
        (EventKind.STATE, "llama"): "serving",
    }


def test_two_rollouts_that_end_alike_are_two(kept: Kept) -> None:
    kept.record(Event(NOON, EventKind.ROLLOUT, "llama", "done"), Event(NOON + 60, EventKind.ROLLOUT, "llama", "done"))
    assert len(kept.told()) == 2


def test_a_start_is_kept_once_with_what_was_reckoned_and_what_came(kept: Kept) -> None:
    start = Start(
        NOON,
        "run 1",
        "llama",
        "gpu01/0",
        "vllm 0.9.2",
        "3f2a",
        {"weights": 15},
        {"weights": 16},
        "started",
        seconds=41.5,
    )
    other = Start(NOON + 60, "run 2", "gemma", "gpu01/1", "vllm 0.9.2", "77aa", {}, {}, "oom")
    kept.record(start, other)
    kept.record(replace(start, alone=False))
    kept.record(start)
    assert kept.history.starts("llama") == (start,)
    assert kept.history.starts() == (start, other)
