"""Telling a webhook: one JSON document per alert, in order, again and again until it is taken.

docs/wallboard.md documents the format. The URL often holds a token: it is read when it is used, and no sentence, log or
document holds more of it than its host's name.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from console.alerts.alert import Alert
from fleet.credentials import credential
from fleet.errors import EndpointError
from fleet.http import connected, post_over
from fleet.inventory.alerts import Alerts
from fleet.telemetry.backoff import backoff

SCHEMA = "gpudeck/alert/1"
MOST_WAITING = 100
GIVE_UP_SECONDS = 3600.0
_TIMEOUT_SECONDS = 10.0
_ANSWER_LIMIT = 1 << 20
_LONGEST_WAIT = 300.0
_TRY_AGAIN = (408, 425, 429)


def document(alert: Alert, event: str, at: float) -> dict[str, Any]:
    """The ``gpudeck/alert/1`` document. ``event`` is ``fired``, ``resolved`` or ``test``; ``at`` Unix seconds."""
    return {
        "schema": SCHEMA,
        "id": alert.id,
        "event": event,
        "fleet": alert.fleet,
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": str(alert.severity),
        "text": alert.text,
        "began": _time(alert.began),
        "at": _time(at),
    }


class NotTakenError(EndpointError):
    """A webhook has not taken an alert."""

    title = "Alert not delivered"

    def __init__(self, message: str, way_out: str = "", *, try_again: bool = True, after: float | None = None) -> None:
        super().__init__(message, way_out)
        self.try_again = try_again
        """Whether it may do so another time."""
        self.after = after
        """The seconds it asks for until then."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    since: float
    body: bytes


class Webhook:
    """The way to one webhook. Whoever tells it something never waits; one task does the rest."""

    def __init__(
        self,
        alerts: Alerts,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """To the webhook a fleet file names; ``clock`` gives the seconds that ``sleep`` waits."""
        self._alerts = alerts
        self._environment = environment
        self._clock = clock
        self._sleep = sleep
        self._waiting: deque[_Waiting] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self.trouble = ""
        """Why alerts do not get through, as a sentence; empty where all is well."""

    def send(self, told: Mapping[str, Any]) -> None:
        """Have it sent. Of more than `MOST_WAITING` the oldest is forgotten."""
        self._waiting.append(_Waiting(self._clock(), json.dumps(told, ensure_ascii=False).encode()))
        self._news.set()

    @property
    def waiting(self) -> int:
        """How many have not been taken yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send what waits, the oldest first, until each is taken, refused or an hour old."""
        pauses = backoff()
        while self._waiting:
            first = self._waiting[0]
            try:
                await self.post(first.body)
                self.trouble, pauses = "", backoff()
            except NotTakenError as error:
                self.trouble = str(error)
                pause = min(error.after or next(pauses), _LONGEST_WAIT)
                if error.try_again and self._clock() - first.since + pause < GIVE_UP_SECONDS:
                    await self._sleep(pause)
                    continue
            if self._waiting and self._waiting[0] is first:
                self._waiting.popleft()

    async def post(self, body: bytes) -> None:
        """Send one document now. Raises NotTakenError where it does not get there."""
        place = await asyncio.to_thread(self._place)
        shown = f"The webhook at {place.hostname}"
        headers = {"Content-Type": "application/json", "User-Agent": "gpudeck"}
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), connected(place, shown) as (reader, writer):
                answer = await post_over(reader, writer, place, shown, body, limit=_ANSWER_LIMIT, headers=headers)
        except TimeoutError:
            raise NotTakenError(f"{shown} did not answer within {_TIMEOUT_SECONDS:g} s.") from None
        except EndpointError as error:
            raise NotTakenError(error.message, error.way_out) from None
        if not 200 <= answer.status < 300:
            again = answer.status >= 500 or answer.status in _TRY_AGAIN
            raise NotTakenError(
                f"{shown} answers with status {answer.status}.", try_again=again, after=answer.retry_after
            )

    def _place(self) -> SplitResult:
        """Where it is. Raises NotTakenError, with nothing of the URL in it."""
        kept = (self._alerts.webhook_env, self._alerts.webhook_file)
        try:
            url, where = credential(*kept, "The webhook's URL", self._environment)
        except EndpointError as error:
            raise NotTakenError(error.message) from None
        try:
            place = urlsplit(url)
            usable = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
        except ValueError:
            usable = False
        if not usable or not re.fullmatch(r"[!-~]+", url) or "@" in place.netloc:
            raise NotTakenError(f"{where} holds no webhook's URL.")
        return place


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
