"""What the autopilot proposes: on one host, with states made by hand and a clock that is a number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleet.autopilot.limits import Acts, Attempt, Ended
from fleet.autopilot.placing import Circumstances
from fleet.autopilot.proposing import Proposal, propose
from fleet.autopilot.situation import Situation
from fleet.autopilot.watching import Watch
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Disable, Enable, Move, apply
from fleet.inventory.loading import load_text
from fleet.model import GpuId, Place
from fleet.planning.load_times import LoadTimes
from fleet.readings import EngineReading, Link
from fleet.state import FleetState, ModelWord
from fleet.state.joining import join

FLEET = """\
fleet: test
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 2}
autopilot:
  acts_per_hour: 3
  settle: 10 min
  rotation:
    night: {hours: {open: [mon-sun 22:00-06:00]}}
    seldom: {idle_for: 30 min}
  roles:
    chat: {least: 1, most: 2, waiting: 4, kv_usage: 0.8, for: 2 min, idle_for: 20 min}
models:
  one: {source: Qwen/Qwen3-32B, engine: vllm 0.9.2, place: gpu01/0, service: 'systemd:one.service', role: chat,
        args: {gpu-memory-utilization: 0.6}}
  two: {source: Qwen/Qwen3-32B, engine: vllm 0.9.2, enabled: false, service: 'systemd:two.service', role: chat,
        args: {gpu-memory-utilization: 0.6}}
  seldom: {source: Qwen/Qwen3-8B, engine: vllm 0.9.2, place: gpu01/1, service: 'systemd:seldom.service', role: code,
           args: {gpu-memory-utilization: 0.3}}
  night: {source: Qwen/Qwen3-8B, engine: vllm 0.9.2, place: gpu01/1, enabled: false, service: 'systemd:night.service',
          args: {gpu-memory-utilization: 0.2}}
"""
NOON = 1_795_262_400.0  # Saturday 21 November 2026, 12:00 UTC
BUSY = EngineReading(kv_usage=0.5, running=40, waiting=9)
WORKING = EngineReading(kv_usage=0.5, running=3, waiting=0)
LITTLE = EngineReading(kv_usage=0.1, running=1, waiting=0)
IDLE = EngineReading(kv_usage=0.0, running=0, waiting=0)


class Fleet:
    """A fleet, its figures as said, watched once a minute."""

    def __init__(self, text: str = FLEET, at: float = NOON) -> None:
        self.inventory: Inventory = load_text(text, Path("fleet.yaml"))
        self.watch = Watch()
        self.acts = Acts()
        self.at = at
        self.words: dict[str, ModelWord] = {}
        self.links: dict[str, Link] = {}
        self.circumstances = Circumstances()

    def passes(self, minutes: int, **figures: EngineReading) -> Proposal:
        """What is proposed after so many minutes of that; models that are not named are at work."""
        for _ in range(minutes + 1):
            state = self.state(figures)
            roles = self.inventory.autopilot.roles if self.inventory.autopilot else ()
            self.watch.see(state, roles, self.at)
            self.at += 60
        self.at -= 60
        return propose(Situation(self.inventory, state, self.watch, self.at), self.circumstances, self.acts)

    def state(self, figures: dict[str, EngineReading]) -> FleetState:
        state = join(assess(self.inventory), {}, self.at)
        words = {True: ModelWord.SERVING, False: ModelWord.DISABLED}
        models = tuple(
            replace(
                model,
                word=self.words.get(model.name, words[model.model.enabled]),
                engine=figures.get(model.name, WORKING),
            )
            for model in state.models
        )
        hosts = tuple(replace(host, link=self.links.get(host.name, Link.LIVE)) for host in state.hosts)
        return replace(state, hosts=hosts, models=models)

    def does(self, proposal: Proposal, *, well: bool = True) -> None:
        assert proposal.act is not None
        act = proposal.act
        ended = Ended.DONE if well else Ended.FAILED
        self.acts.add(Attempt(self.at, act.subject, act.models, ended, act.sentence))
        if well:
            self.inventory = apply(self.inventory, act.changes)


def sentence(proposal: Proposal) -> str:
    return proposal.act.sentence if proposal.act else ""


def test_a_role_with_too_much_to_do_gets_another_model_where_most_room_is_left() -> None:
    fleet = Fleet()
    assert fleet.passes(1, one=BUSY).act is None
    act = fleet.passes(1, one=BUSY).act
    assert act is not None
    assert act.changes == (Move("two", Place("gpu01", (1,))), Enable("two"))
    assert act.sentence == (
        "Load two on gpu01/1: for 2 min too much was asked of chat; now 9.0 requests wait for each of 1, "
        "with 50 % of caches in use."
    )


def test_full_caches_count_as_much_as_waiting_requests() -> None:
    full = EngineReading(kv_usage=0.85, running=10, waiting=0)
    assert sentence(Fleet().passes(2, one=full)).startswith("Load two")


def test_a_pause_begins_the_time_anew_and_so_does_a_missing_figure() -> None:
    for between in (WORKING, EngineReading()):
        fleet = Fleet()
        fleet.passes(1, one=BUSY)
        fleet.passes(0, one=between)
        assert fleet.passes(1, one=BUSY).act is None


def test_it_gives_up_a_model_only_long_after_one_less_would_have_done() -> None:
    fleet = Fleet()
    fleet.does(fleet.passes(2, one=BUSY))
    assert fleet.passes(60).act is None, "between the limits nothing happens"
    assert fleet.passes(19, one=LITTLE, two=LITTLE).act is None
    fleet.passes(0)
    assert fleet.passes(19, one=LITTLE, two=LITTLE).act is None, "work in between begins the time anew"
    calm = fleet.passes(1, one=LITTLE, two=replace(LITTLE, running=0))
    assert calm.act is not None
    assert calm.act.changes == (Disable("two"),)
    fleet.does(calm)
    assert fleet.passes(90, one=IDLE).act is None, "the least stays"


def test_it_loads_what_a_role_lacks_at_once() -> None:
    fleet = Fleet()
    fleet.words["one"] = ModelWord.FAILED
    assert sentence(fleet.passes(0)).endswith("0 models serve chat, which has at least 1.")


def test_a_model_with_hours_comes_and_goes_with_them_and_never_while_it_works() -> None:
    fleet = Fleet(at=NOON + 10 * 3600)
    proposal = fleet.passes(0)
    assert sentence(proposal) == "Load night on gpu01/1: its hours go on until Sun 06:00 UTC."
    fleet.does(proposal)
    fleet.at += 8 * 3600
    assert fleet.passes(30, night=WORKING).act is None
    assert fleet.passes(0, night=IDLE).act is None
    assert sentence(fleet.passes(1, night=IDLE)) == (
        "Unload night: nothing runs there, and its hours begin Sun 22:00 UTC."
    )


def test_a_model_that_is_seldom_asked_for_goes_when_it_is_idle() -> None:
    fleet = Fleet()
    assert fleet.passes(29, seldom=IDLE).act is None
    assert sentence(fleet.passes(1, seldom=IDLE)) == "Unload seldom: it had no request for 30 min."


def test_requests_that_come_and_go_between_two_looks_keep_a_model() -> None:
    assert Fleet().passes(40, seldom=replace(IDLE, requests_per_second=0.2)).act is None


def test_the_cheapest_idle_model_makes_room() -> None:
    tight = FLEET.replace("gpu-memory-utilization: 0.3", "gpu-memory-utilization: 0.5")
    assert Fleet(tight).passes(2, one=BUSY).declined == {
        "chat": "two would be loaded, and fits nowhere: for 2 min too much was asked of chat; now 9.0 requests wait "
        "for each of 1, with 50 % of caches in use."
    }
    act = Fleet(tight).passes(2, one=BUSY, seldom=IDLE).act
    assert act is not None
    assert act.changes == (Disable("seldom"), Move("two", Place("gpu01", (1,))), Enable("two"))
    assert act.sentence.startswith("Load two on gpu01/1, in place of seldom: ")
    assert act.models == ("seldom", "two")


def test_of_two_idle_models_the_one_that_loads_faster_makes_room() -> None:
    text = FLEET.replace("gpus: 2", "gpus: 3").replace("  roles:\n", "    other: {idle_for: 5 h}\n  roles:\n")
    text = text.replace("utilization: 0.3", "utilization: 0.5") + (
        "  other: {source: Qwen/Qwen3-32B, engine: vllm 0.9.2, place: gpu01/2, service: 'systemd:other.service',\n"
        "          args: {gpu-memory-utilization: 0.5}}\n"
    )
    for seconds, gone in ((30.0, "seldom"), (300.0, "other")):
        fleet = Fleet(text)
        measured = {("seldom", "gpu01"): (seconds,), ("other", "gpu01"): (200.0,)}
        fleet.circumstances = Circumstances(loads=LoadTimes(measured))
        act = fleet.passes(2, one=BUSY, seldom=IDLE, other=IDLE).act
        assert act is not None
        assert act.changes[0] == Disable(gone)


def test_only_what_stands_in_the_way_leaves_however_cheap_others_are() -> None:
    text = FLEET.replace("  roles:\n", "    tiny: {idle_for: 5 h}\n    small: {idle_for: 5 h}\n  roles:\n")
    text = text.replace("utilization: 0.3", "utilization: 0.5") + (
        "  tiny: {engine: other, memory: 1 GB, place: gpu01/0, service: 'systemd:tiny.service'}\n"
        "  small: {engine: other, memory: 1 GB, place: gpu01/1, service: 'systemd:small.service'}\n"
    )
    fleet = Fleet(text)
    fleet.circumstances = Circumstances(
        loads=LoadTimes({("tiny", "gpu01"): (1.0,), ("small", "gpu01"): (2.0,), ("seldom", "gpu01"): (200.0,)})
    )
    act = fleet.passes(2, one=BUSY, seldom=IDLE, tiny=IDLE, small=IDLE).act
    assert act is not None
    assert act.models == ("seldom", "two")


def test_what_operators_pinned_or_cordoned_is_left_alone() -> None:
    pinned = Fleet(FLEET.replace("service: 'systemd:seldom", "pin: true, service: 'systemd:seldom"))
    assert pinned.passes(60, seldom=IDLE).act is None
    cordoned = Fleet()
    cordoned.circumstances = Circumstances(cordoned={GpuId("gpu01", 1)})
    assert cordoned.passes(2, one=BUSY).act is None


def test_no_more_is_done_in_an_hour_than_the_operators_said() -> None:
    fleet = Fleet()
    fleet.acts.add(Attempt(NOON - 60, "other", ("x", "y", "z"), Ended.DONE, ""))
    declined = fleet.passes(2, one=BUSY).declined
    assert declined["chat"].startswith("acts_per_hour: 3 is reached, so this waits: Load two")
    assert fleet.passes(60, one=BUSY).act is not None


def test_what_was_just_done_settles_and_what_failed_rests_longer_each_time() -> None:
    fleet = Fleet()
    fleet.does(fleet.passes(2, one=BUSY), well=False)
    waits = []
    for _ in range(3):
        minutes = 0
        while (proposal := fleet.passes(1, one=BUSY)).act is None:
            minutes += 1
        waits.append(minutes)
        fleet.does(proposal, well=False)
    assert waits == [19, 39, 79]


def test_a_model_that_failed_for_its_role_rests_for_its_hours_too() -> None:
    fleet = Fleet(FLEET.replace("    seldom: {idle", "    two: {hours: {open: [mon-sun]}}\n    seldom: {idle"))
    fleet.does(fleet.passes(0), well=False)
    assert fleet.passes(3, one=BUSY).act is None


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("night: {hours", "nigth: {hours", "there is no model 'nigth'; did you mean night?"),
        ("chat: {least", "chta: {least", "no model has the role 'chta'; did you mean chat?"),
        ("least: 1, most: 2", "least: 3, most: 2", "role chat has at least 3 models and at most 2."),
        ("{idle_for: 30 min}", "{}", "rotation of seldom says neither hours nor idle_for."),
        ("kv_usage: 0.8", "kv_usage: 80", "kv_usage of role chat must be 1 or less, not 80."),
        ("waiting: 4", "wating: 4", "role chat of autopilot has no key 'wating'; did you mean waiting?"),
        ("mon-sun 22:00-06:00", "mon-sun 22", "is not a window"),
    ],
)
def test_what_is_wrong_with_the_block_is_said_at_its_place(before: str, after: str, problem: str) -> None:
    from fleet.errors import GpudeckError

    with pytest.raises(GpudeckError) as error:
        load_text(FLEET.replace(before, after), Path("fleet.yaml"))
    assert problem in str(error.value)
    assert "fleet.yaml:" in str(error.value)


def test_what_was_done_is_remembered_over_a_restart_and_nonsense_is_not() -> None:
    acts = Acts([Attempt(1.0, "chat", ("two",), Ended.DONE, "Load two.")])
    assert Acts.of(acts.document()).tried == acts.tried
    assert Acts.of([{"at": "x"}, 3, None]).tried == Acts.of("nonsense").tried == ()


def test_what_was_declined_counts_for_no_limit_and_rests_no_longer_for_failures_before_it() -> None:
    acts = Acts([Attempt(0.0, "chat", ("two",), Ended.FAILED, ""), Attempt(60.0, "chat", ("two",), Ended.FAILED, "")])
    assert acts.rests_until("two", 600) == 60 + 4 * 600
    for at in (3000.0, 3600.0):
        acts.add(Attempt(at, "chat", ("two",), Ended.DECLINED, ""))
    assert acts.rests_until("two", 600) == 3600 + 600
    assert [attempt.at for attempt in acts.tried] == [0.0, 60.0, 3600.0]
    assert acts.in_last_hour(3600) == 1


def test_an_act_that_was_begun_is_remembered_once_however_it_ends() -> None:
    begun = Attempt(0.0, "chat", ("two",), Ended.INTERRUPTED, "")
    acts = Acts([begun])
    acts.add(replace(begun, at=90.0, ended=Ended.DONE), instead_of=begun)
    assert [(attempt.at, attempt.ended) for attempt in acts.tried] == [(90.0, Ended.DONE)]


def test_nothing_is_loaded_on_a_host_that_does_not_answer() -> None:
    fleet = Fleet()
    fleet.links["gpu01"] = Link.LOST
    assert fleet.passes(2, one=BUSY).declined["chat"].startswith("two would be loaded, and fits nowhere")


def test_a_role_keeps_its_least_of_models_that_serve_whatever_still_loads() -> None:
    text = FLEET.replace("night: {hours: {open: [mon-sun 22:00-06:00]}}", "one: {idle_for: 5 min}")
    fleet = Fleet(text)
    fleet.does(fleet.passes(2, one=BUSY))
    fleet.words["two"] = ModelWord.LOADING
    assert fleet.passes(30, one=IDLE, seldom=WORKING).act is None
    fleet.words.clear()
    assert sentence(fleet.passes(30, one=IDLE, two=IDLE, seldom=WORKING)).startswith("Unload one")


def test_a_model_that_loads_is_one_of_the_most_its_role_may_have() -> None:
    fleet = Fleet(FLEET + "  three: {engine: other, memory: 1 GB, enabled: false, role: chat}\n")
    fleet.does(fleet.passes(2, one=BUSY))
    fleet.words["two"] = ModelWord.LOADING
    assert fleet.passes(60, one=BUSY).act is None


def test_a_model_somebody_has_stopped_is_missed_after_a_minute_and_not_while_it_restarts() -> None:
    fleet = Fleet()
    fleet.words["one"] = ModelWord.STOPPED
    assert fleet.passes(0).act is None
    assert sentence(fleet.passes(1)).endswith("0 models serve chat, which has at least 1.")


def test_models_of_hosts_that_do_not_answer_are_not_missed() -> None:
    fleet = Fleet()
    fleet.words["one"] = ModelWord.UNKNOWN
    assert fleet.passes(60).act is None


def test_copies_of_a_model_are_models_of_its_role() -> None:
    text = FLEET.replace("gpus: 2}", "gpus: 3}").replace("two.service', role: chat", "two.service', role: draft")
    text = text.replace(
        "service: 'systemd:one.service', role: chat,",
        "service: 'systemd:one.service', role: chat,\n        replicas: [{place: gpu01/2, enabled: false,"
        " service: 'systemd:one-2.service'}],",
    )
    fleet = Fleet(text)
    proposal = fleet.passes(2, one=BUSY)
    assert proposal.act is not None
    assert proposal.act.changes == (Enable("one_2"),)
    fleet.does(proposal)
    assert fleet.passes(60, one=BUSY, one_2=BUSY).act is None, "that is the most there may be"
    calm = fleet.passes(20, one=LITTLE, one_2=replace(LITTLE, running=0))
    assert calm.act is not None
    assert calm.act.changes == (Disable("one_2"),)


def test_outside_the_maintenance_windows_everything_waits() -> None:
    fleet = Fleet(FLEET.replace("autopilot:", "policy: {windows: {open: [mon-sun 12:30-13:00]}}\nautopilot:"))
    assert (
        fleet.passes(2, one=BUSY)
        .declined["chat"]
        .startswith("No maintenance window is open before Sat 12:30 UTC, so this waits: Load two on gpu01/1: ")
    )
    assert fleet.passes(30, one=BUSY).act is not None


def test_a_disabled_model_that_somebody_runs_is_not_loaded_again() -> None:
    fleet = Fleet(at=NOON + 10 * 3600)
    fleet.words["night"] = ModelWord.LOADING
    assert fleet.passes(0).act is None
