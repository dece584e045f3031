"""Alerts begin after they have lasted, end after they are over, and are told once to whoever should hear of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from recorded_demo import RecordedSession, recorded_snapshot

from console.alerts.acknowledged import Acknowledgement, Acknowledgements
from console.alerts.alert import Alarms, Alert
from console.alerts.announcing import Announcer, News
from console.alerts.live import LiveAlerts
from console.alerts.recorded import begun, standing_alerts
from console.alerts.terminal import notification
from console.alerts.webhook import document
from console.fleets import acknowledgements_path
from console.history.recording import path_of
from console.session import Session
from fleet.findings import Finding, Severity, Tense
from fleet.history.values import Event, EventKind
from fleet.history.writer import record
from fleet.inventory.alerts import QUANTITIES, USUAL_RULES, AlertRule, Alerts
from fleet.inventory.loading import FleetFileError, load_text
from fleet.readings import Link, ServiceReading, ServiceWord
from fleet.state import FleetState
from fleet.units import parse_day_hours

NOON = 1_800_000_000
HOT = AlertRule("hot", quantity="temperature_c", above=90, clear=80, seconds=60, clear_seconds=30)
AT_ONCE = replace(HOT, seconds=0, clear_seconds=0)
FILE = """
fleet: small
hosts:
  gpu01: {{address: gpu01, accelerator: MI300X, gpus: 8}}
alerts:
  {alerts}
"""


class Clock:
    """A session whose first GPU has a temperature, looked at by a clock of its own."""

    def __init__(self, session: RecordedSession, *rules: AlertRule) -> None:
        self._session = session
        self.alarms = Alarms("small", rules)
        self.now = 0.0
        self.over: list[Alert] = []

    def heat(self, celsius: float | None, seconds: float = 10) -> tuple[Alert, ...]:
        """The alerts that stand once it has been that hot for so long, looked at every ten seconds."""
        for _ in range(round(seconds / 10)):
            self.now += 10
            self.over += self.alarms.look(heated(self._session, celsius), self.now, NOON + self.now)
        return self.alarms.standing


def heated(session: Session, celsius: float | None) -> FleetState:
    snapshot = recorded_snapshot()
    assert snapshot.reading is not None
    first, *others = snapshot.reading.gpus
    gpus = (replace(first, temperature_c=celsius), *others)
    session.board.publish(replace(snapshot, reading=replace(snapshot.reading, gpus=gpus)))
    return session.state()


def alert(subject: str = "gpu01/0", severity: Severity = Severity.WARNING, sentence: str = "It is hot.") -> Alert:
    return Alert("small", "hot", subject, severity, sentence, NOON)


# rules


def test_what_does_not_last_is_no_alert(session: RecordedSession) -> None:
    clock = Clock(session, HOT)
    assert not clock.heat(95, 60)
    assert not clock.heat(85, 10)
    assert not clock.heat(95, 60)
    (found,) = clock.heat(95, 10)
    assert (found.subject, found.severity) == ("gpu01/0", Severity.WARNING)
    assert found.sentence == "junction temperature is 95 °C, above 90 °C for 1 min."
    assert found.began == NOON + 80


def test_an_alert_stands_between_its_threshold_and_where_it_is_over(session: RecordedSession) -> None:
    clock = Clock(session, HOT)
    clock.heat(95, 70)
    assert clock.heat(85, 600)
    assert clock.heat(75, 30)
    assert clock.heat(85, 10)
    assert clock.heat(75, 30)
    assert not clock.heat(75, 10)
    assert [each.subject for each in clock.over] == ["gpu01/0"]


def test_what_cannot_be_read_neither_begins_nor_ends_an_alert(session: RecordedSession) -> None:
    clock = Clock(session, HOT)
    clock.heat(95, 40)
    clock.heat(None)
    assert not clock.heat(95, 60)
    assert clock.heat(95, 10)
    assert clock.heat(None, 3600)
    assert not clock.over


def test_a_figure_of_a_lost_host_is_not_known(session: RecordedSession) -> None:
    alarms = Alarms("small", [replace(HOT, above=10, clear=5, seconds=0)])
    session.board.publish(recorded_snapshot(Link.LOST))
    alarms.look(session.state(), 0.0, NOON)
    assert not alarms.standing
    session.board.publish(recorded_snapshot())
    alarms.look(session.state(), 10.0, NOON)
    assert len(alarms.standing) == 8


def test_a_rule_may_watch_for_too_little(session: RecordedSession) -> None:
    low = AlertRule("idle", quantity="temperature_c", below=30, clear=40, severity="info", clear_seconds=0)
    clock = Clock(session, low)
    (found,) = clock.heat(25)
    assert (found.severity, found.sentence) == (Severity.INFO, "junction temperature is 25 °C, below 30 °C.")
    assert clock.heat(35)
    assert not clock.heat(45)


def test_a_model_that_is_down_is_an_alert_and_one_of_a_lost_host_is_not_known_to_be(session: RecordedSession) -> None:
    alarms = Alarms("small", [rule for rule in USUAL_RULES if rule.state])
    snapshot = recorded_snapshot()
    services = MappingProxyType({**snapshot.services, "gemma-3-27b": ServiceReading(ServiceWord.FAILED)})
    session.board.publish(replace(snapshot, services=services))
    for now in (0.0, 60.0):
        alarms.look(session.state(), now, NOON + now)
    (found,) = alarms.standing
    assert found.text == "gemma-3-27b: gemma-3-27b on gpu01/7 is failed."
    session.board.publish(recorded_snapshot(Link.LOST))
    alarms.look(session.state(), 3600.0, NOON)
    assert alarms.standing


def test_a_finding_is_an_alert_by_its_code_or_by_how_bad_it_is(session: RecordedSession) -> None:
    hostile = "gpu01/3 \x1b]0;owned\x07is\nhot\u202e."
    found = (
        Finding("LIVE004", Severity.ERROR, Tense.NOW, hostile, gpu=session.inventory.gpu_ids[3]),
        Finding("KV001", Severity.ERROR, Tense.DRAFT, "Only drafted."),
        Finding("LIVE008", Severity.INFO, Tense.NOW, "By the way.", host="gpu01"),
    )
    state = replace(session.state(), findings=found)
    for wanted, expected in (("error", 1), ("info", 2), ("LIVE008", 1), ("LIVE001", 0)):
        alarms = Alarms("small", [AlertRule("found", finding=wanted)])
        alarms.look(state, 0.0, NOON)
        assert len(alarms.standing) == expected, wanted
        if wanted == "error":
            assert alarms.standing[0].sentence == "gpu01/3 is hot."
            assert alarms.standing[0].key == "found LIVE004 gpu01/3"


def test_nothing_is_kept_of_what_is_over(session: RecordedSession) -> None:
    alarms = Alarms("small", [AlertRule("found", finding="info", clear_seconds=0)])
    for number in range(1000):
        finding = Finding("LIVE002", Severity.WARNING, Tense.NOW, "Somebody.", host=f"host{number}")
        alarms.look(replace(session.state(), findings=(finding,)), float(number), NOON)
    assert len(alarms._watched) == 1


# telling


def told(
    announcer: Announcer, *standing: Alert, over: tuple[Alert, ...] = (), known: bool = False, quiet: bool = False
) -> News:
    return announcer.news(standing, over, is_acknowledged=lambda _: known, quiet=quiet)


def test_an_alert_is_told_once_and_its_end_once() -> None:
    announcer = Announcer()
    assert told(announcer, alert()) == News(fired=(alert(),))
    assert told(announcer, alert(sentence="Hotter.")) == News()
    assert told(announcer, over=(alert(),)) == News(resolved=(alert(),))
    assert told(announcer, alert()).fired


def test_in_quiet_hours_only_errors_are_told_and_the_rest_afterwards_if_it_still_stands() -> None:
    announcer = Announcer()
    bad = alert("gpu01/1", Severity.ERROR)
    passing = alert("gpu01/2")
    assert told(announcer, bad, alert(), passing, quiet=True).fired == (bad,)
    assert told(announcer, bad, alert(), over=(passing,), quiet=True) == News()
    assert told(announcer, bad, alert()).fired == (alert(),)


def test_what_is_acknowledged_is_not_told_until_that_runs_out() -> None:
    announcer = Announcer()
    assert not told(announcer, alert(), known=True).fired
    assert told(announcer, alert()).fired
    assert not told(announcer, alert(), known=True).fired
    assert told(announcer, alert()).fired
    told(announcer, alert(), known=True)
    assert told(announcer, over=(alert(),), known=True).resolved


def test_acknowledgements_are_shared_by_all_who_read_the_file(tmp_path: Path) -> None:
    one, other = (
        Acknowledgements(tmp_path / "state" / "f.acknowledged"),
        Acknowledgements(tmp_path / "state" / "f.acknowledged"),
    )
    assert other.of("hot gpu01/0", NOON) is None
    one.acknowledge("hot gpu01/0", Acknowledgement(NOON + 60, "ada", "a fan \x1b[31mis coming"), NOON)
    found = other.of("hot gpu01/0", NOON + 59)
    assert found == Acknowledgement(NOON + 60, "ada", "a fan is coming")
    assert other.of("hot gpu01/0", NOON + 60) is None
    one.acknowledge("hot gpu01/0", Acknowledgement(NOON), NOON + 1)
    assert not other.all(NOON + 2)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["f.acknowledged"]


@pytest.mark.parametrize("text", ["", "[", "[]", '{"a": 3}', '{"a": {"until": "x"}}', "\udcff"])
def test_a_file_that_is_no_list_of_acknowledgements_acknowledges_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.acknowledged"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert not Acknowledgements(path).all(NOON)


# the terminal


def test_a_notification_is_in_the_words_its_terminal_knows() -> None:
    told = [alert(), alert("gpu01/1")]
    assert notification(told, {"TERM": "xterm-256color"}) == (
        "\x1b]9;gpudeck small: gpu01/0: It is hot. (and 1 more)\x07"
    )
    assert notification(told[:1], {"TERM": "foot"}) == "\x1b]777;notify;gpudeck small;gpu01/0: It is hot.\x07"
    assert notification(told[:1], {"TERM": "tmux-256color", "TMUX": "/tmp/x"}) == (
        "\x1bPtmux;\x1b\x1b]9;gpudeck small: gpu01/0: It is hot.\x07\x1b\\"
    )


@pytest.mark.parametrize("terminal", ["", "dumb", "linux"])
def test_a_terminal_that_would_print_a_notification_gets_none(terminal: str) -> None:
    assert notification([alert()], {"TERM": terminal}) == ""


def test_a_hostile_name_neither_ends_nor_extends_the_sequence() -> None:
    sequence = notification([alert("gpu\x07\x1b]0;owned\x1b\\", sentence="a;b\x9c\nc")], {"TERM": "xterm"})
    assert sequence.count("\x1b") == sequence.count("\x07") == 1
    assert sequence.count(";") == 1


# the whole


@pytest.fixture
def recorded() -> list[Event]:
    return []


def live(
    session: RecordedSession, recorded: list[Event], clock: Iterator[float], rule: AlertRule = AT_ONCE
) -> LiveAlerts:
    now = [0.0]

    def monotonic() -> float:
        now[0] = next(clock)
        return now[0]

    return LiveAlerts(
        session,
        Alerts((rule,), bell=True, desktop=True, quiet=parse_day_hours("22:00-06:00")),
        recorded.append,
        environment={"TERM": "xterm"},
        time_of_day=lambda: "12:00",
        monotonic=monotonic,
        clock=lambda: NOON + now[0],
    )


def test_an_alert_rings_and_is_in_the_history_with_its_end(session: RecordedSession, recorded: list[Event]) -> None:
    alerts = live(session, recorded, iter(range(0, 100, 10)))
    heated(session, 95)
    assert alerts.look() == "\x07\x1b]9;gpudeck berget-sthlm: gpu01/0: junction temperature is 95 °C, above 90 °C.\x07"
    assert alerts.look() == ""
    heated(session, 60)
    assert alerts.look() == ""
    alerts.close()
    kept = [(event.kind, event.subject, event.value) for event in recorded]
    assert kept == [
        (EventKind.ALERT, "hot gpu01/0", "warning: junction temperature is 95 °C, above 90 °C."),
        (EventKind.ALERT, "hot gpu01/0", None),
    ]


def test_of_two_consoles_one_records_and_the_other_goes_on_when_it_ends(session: RecordedSession) -> None:
    first: list[Event] = []
    second: list[Event] = []
    one = live(session, first, iter(range(0, 100, 10)))
    two = live(session, second, iter(range(0, 100, 10)))
    heated(session, 95)
    assert one.look()
    assert two.look()
    assert (len(first), len(second)) == (1, 0)
    one.close()
    heated(session, 60)
    two.look()
    assert [event.value for event in second] == [None]
    two.close()


def test_what_was_recorded_as_standing_goes_on_without_waiting_or_is_over(
    session: RecordedSession, recorded: list[Event]
) -> None:
    path = path_of(session)
    stood = [alert("gpu01/0"), alert("gpu01/1"), replace(alert("gpu01/2"), rule="of-another-day")]
    assert not record(path, *(begun(each, NOON - 10 + number) for number, each in enumerate(stood)))
    resumed = standing_alerts(path, session.inventory.fleet, NOON + 60)
    assert [each.key for each in resumed] == ["hot gpu01/0", "hot gpu01/1", "of-another-day gpu01/2"]
    rule = replace(HOT, seconds=3600, clear_seconds=0)
    alerts = live(session, recorded, iter(range(0, 100, 10)), rule)
    alerts.resume(resumed)
    heated(session, 95)
    assert "gpu01/0" in alerts.look()
    assert [each.subject for each in alerts.standing] == ["gpu01/0"]
    assert not record(path, *recorded)
    assert [each.key for each in standing_alerts(path, "", NOON + 3600)] == ["hot gpu01/0"]
    alerts.close()


def test_an_acknowledged_alert_does_not_ring(session: RecordedSession, recorded: list[Event]) -> None:
    alerts = live(session, recorded, iter(range(0, 100, 10)))
    path = acknowledgements_path(session.inventory, session.state_folder or Path())
    Acknowledgements(path).acknowledge("hot gpu01/0", Acknowledgement(NOON + 5), NOON)
    heated(session, 95)
    assert alerts.look() == ""
    assert alerts.look() == ""
    assert alerts.look()
    assert len(recorded) == 1
    alerts.close()


# the fleet file


def test_a_fleet_file_says_what_to_tell_and_how(tmp_path: Path) -> None:
    text = FILE.format(
        alerts="{bell: true, quiet: 22:00-06:00, webhook_file: hook, rules: "
        "{hot: {quantity: temperature_c, above: 90, clear: 80, for: 1min, clear_for: 30 s}}}"
    ).replace("alerts:\n  ", "alerts: ")
    found = load_text(text, tmp_path / "fleet.yaml").alerts
    assert found == Alerts((HOT,), bell=True, webhook_file=tmp_path / "hook", quiet=parse_day_hours("22:00-06:00"))


def test_a_fleet_file_without_rules_has_the_usual_ones_and_one_without_alerts_has_none(tmp_path: Path) -> None:
    asked = load_text(FILE.format(alerts="bell: true"), tmp_path / "fleet.yaml").alerts
    assert asked is not None
    assert asked.rules == USUAL_RULES
    assert load_text(FILE.split("alerts:")[0].format(), tmp_path / "fleet.yaml").alerts is None


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("{above: 3}", "rule r: give one of finding, state and quantity."),
        ("{quantity: heat, above: 3}", "rule r: there is no quantity 'heat'"),
        ("{quantity: power_w}", "rule r: give one of above and below."),
        ("{quantity: power_w, above: 3, clear: 4}", "rule r: clear lies above 3, so it would never begin."),
        ("{finding: LIVE04}", "there is no finding 'LIVE04'; did you mean LIVE004?"),
        ("{state: down, above: 3}", "rule r: above goes with a quantity."),
        ("{state: down, for: 5}", "for of rule r must be text, not 5"),
        ("{state: down, for: soon}", "for of rule r: 'soon' is not a time span"),
        ("{stat: down}", "rule r has no key 'stat'; did you mean state?"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(tmp_path: Path, rule: str, sentence: str) -> None:
    text = FILE.format(alerts=f"rules: {{r: {rule}}}")
    with pytest.raises(FleetFileError) as refused:
        load_text(text, tmp_path / "fleet.yaml")
    assert sentence in str(refused.value)
    assert "fleet.yaml:6:" in str(refused.value)


# the documents


def fenced(language: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "wallboard.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_documented_rules_are_rules_and_the_documented_message_is_the_message(tmp_path: Path) -> None:
    (section,) = fenced("yaml")
    found = load_text(FILE.split("alerts:")[0].format() + section, tmp_path / "fleet.yaml").alerts
    assert found is not None
    assert [rule.name for rule in found.rules] == ["errors", "memory-errors", "down", "hot", "cache-full", "slow"]
    (message,) = fenced("json")
    assert json.loads(message).keys() == document(alert(), "fired", NOON).keys()
    documented = (Path(__file__).parents[2] / "docs" / "wallboard.md").read_text(encoding="utf-8")
    assert all(f"`{quantity}`" in documented for quantity in QUANTITIES)
