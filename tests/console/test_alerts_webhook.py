"""A webhook gets every alert once, in order, however often it fails; its URL is shown to nobody."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import gpudeck
from web import page
from webhook_receiver import TOKEN, Receiver, receiving

from console.alerts.alert import Alert
from console.alerts.webhook import GIVE_UP_SECONDS, MOST_WAITING, NotTakenError, Webhook, document
from fleet.findings import Severity
from fleet.inventory.alerts import Alerts

NOON = 1_800_000_000
HOOK = Alerts(webhook_env="HOOK")


class Waits:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.then: Callable[[], None] = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.then()


def webhook(url: str, waits: Waits) -> Webhook:
    return Webhook(HOOK, environment={"HOOK": url}, clock=lambda: waits.now, sleep=waits.sleep)


def told(number: int) -> dict[str, Any]:
    alert = Alert("small", "hot", f"gpu01/{number}", Severity.WARNING, "It is hot.", NOON)
    return document(alert, "fired", NOON + 60)


async def test_an_alert_arrives_as_it_is_documented() -> None:
    async with receiving(Receiver()) as receiver:
        hook = webhook(receiver.url, Waits())
        hook.send(told(0))
        await hook.flush()
    assert receiver.taken == [
        {
            "schema": "gpudeck/alert/1",
            "id": receiver.taken[0]["id"],
            "event": "fired",
            "fleet": "small",
            "rule": "hot",
            "subject": "gpu01/0",
            "severity": "warning",
            "text": "gpu01/0: It is hot.",
            "began": "2027-01-15T08:00:00+00:00",
            "at": "2027-01-15T08:01:00+00:00",
        }
    ]
    assert receiver.heads[0].startswith(f"POST /services/{TOKEN}?key={TOKEN} HTTP/1.1\r\n")
    assert "content-type: application/json" in receiver.heads[0].lower()
    assert (hook.waiting, hook.trouble) == (0, "")


async def test_the_end_of_an_alert_has_the_id_of_its_beginning() -> None:
    began = Alert("small", "hot", "gpu01/0", Severity.WARNING, "It is hot.", NOON)
    ended = Alert("small", "hot", "gpu01/0", Severity.WARNING, "It was hotter.", NOON + 3)
    assert document(began, "fired", NOON)["id"] == document(ended, "resolved", NOON)["id"]


async def test_what_a_server_cannot_take_now_is_sent_again_and_nothing_overtakes_it() -> None:
    busy = page(b"", "503 Service Unavailable")
    patient = page(b"", "429 Too Many Requests", "Retry-After: 17")
    waits = Waits()
    async with receiving(Receiver([busy, busy, patient, page(b"ok")])) as receiver:
        hook = webhook(receiver.url, waits)
        hook.send(told(0))
        hook.send(told(1))
        await hook.flush()
    assert [each["subject"] for each in receiver.taken] == ["gpu01/0"] * 4 + ["gpu01/1"]
    assert len(waits.pauses) == 3
    assert waits.pauses[2] == 17
    assert 0 < waits.pauses[0] < 1
    assert hook.trouble == ""


async def test_what_a_server_refuses_is_not_sent_again_and_said() -> None:
    waits = Waits()
    async with receiving(Receiver([page(b"", "404 Not Found")])) as receiver:
        hook = webhook(receiver.url, waits)
        hook.send(told(0))
        await hook.flush()
    assert hook.trouble == "The webhook at 127.0.0.1 answers with status 404."
    assert (hook.waiting, waits.pauses) == (0, [])


async def test_a_server_that_comes_back_gets_what_waited() -> None:
    waits = Waits()
    async with receiving(Receiver()) as receiver:
        url = receiver.url
        environment = {"HOOK": "http://127.0.0.1:1/"}
        hook = Webhook(HOOK, environment=environment, clock=lambda: waits.now, sleep=waits.sleep)
        waits.then = lambda: environment.update(HOOK=url) if waits.now > 100 else None
        hook.send(told(0))
        await hook.flush()
        assert len(receiver.taken) == 1
    assert max(waits.pauses) <= 30
    assert hook.trouble == ""


async def test_nothing_is_tried_for_ever_and_the_queue_has_an_end() -> None:
    waits = Waits()
    hook = webhook("http://127.0.0.1:1/", waits)
    for number in range(MOST_WAITING + 50):
        hook.send(told(number))
    assert hook.waiting == MOST_WAITING
    await hook.flush()
    assert hook.waiting == 0
    assert waits.now <= GIVE_UP_SECONDS
    assert hook.trouble == "The webhook at 127.0.0.1 is not reached: Connection refused."


@pytest.mark.parametrize(
    "url", ["", "no url", f"ftp://h/{TOKEN}", f"http://u:{TOKEN}@h/", f"http:///{TOKEN}", f"http://h/{TOKEN}\r\nX: y"]
)
async def test_what_is_no_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(NotTakenError) as refused:
        await webhook(url, Waits()).post(b"{}")
    assert str(refused.value) == "The environment variable HOOK holds no webhook's URL."


@pytest.mark.parametrize(
    "answer", [b"\x00" * 40, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", page(b"", "301 Moved")]
)
async def test_no_answer_brings_the_url_into_a_sentence(answer: bytes) -> None:
    async with receiving(Receiver([answer])) as receiver:
        with pytest.raises(NotTakenError) as refused:
            await webhook(receiver.url, Waits()).post(b"{}")
    assert TOKEN not in str(refused.value)
    assert TOKEN not in repr(refused.value.__context__)


async def test_a_url_may_stand_in_a_file_and_change_there(tmp_path: Path) -> None:
    async with receiving(Receiver()) as receiver:
        hook = Webhook(Alerts(webhook_file=tmp_path / "hook"), clock=lambda: 0.0)
        with pytest.raises(NotTakenError, match="cannot be read from"):
            await hook.post(b"{}")
        (tmp_path / "hook").write_text(receiver.url + "\n", encoding="utf-8")
        await hook.post(b"{}")
    assert receiver.taken == [{}]


async def test_a_webhook_is_tried_from_the_command_line(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "fleet: small\nhosts:\n  gpu01: {address: a, accelerator: MI300X, gpus: 8}\nalerts: {webhook_env: HOOK}\n",
        encoding="utf-8",
    )
    async with receiving(Receiver([page(b"ok"), page(b"", "403 Forbidden")])) as receiver:

        def tried() -> subprocess.CompletedProcess[str]:
            return gpudeck("alerts", "--test", str(fleet), HOME=str(tmp_path), HOOK=receiver.url)

        taken, refused = await asyncio.to_thread(tried), await asyncio.to_thread(tried)
    assert (taken.returncode, taken.stdout) == (0, "The webhook has taken it.\n")
    assert receiver.taken[0]["event"] == "test"
    assert refused.returncode == 1
    assert refused.stderr == "gpudeck: Alert not delivered: The webhook at 127.0.0.1 answers with status 403.\n"
