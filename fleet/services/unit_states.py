"""The states of systemd units, of the system or of the user who logs in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleet.commands import Read
from fleet.readings import ServiceReading, ServiceWord
from fleet.text import clean

_PROPERTIES = "Id,LoadState,ActiveState,SubState,MainPID,NRestarts,Result,InvocationID"
_WORDS = {
    "active": ServiceWord.ACTIVE,
    "reloading": ServiceWord.ACTIVE,
    "refreshing": ServiceWord.ACTIVE,
    "activating": ServiceWord.STARTING,
    "deactivating": ServiceWord.STOPPING,
    "inactive": ServiceWord.STOPPED,
    "maintenance": ServiceWord.STOPPED,
    "failed": ServiceWord.FAILED,
}


@dataclass(frozen=True, slots=True)
class UnitManager:
    """One of the systemd managers of a host."""

    user: bool = False

    @property
    def systemctl(self) -> tuple[str, ...]:
        """``systemctl`` speaking to this manager."""
        return ("systemctl", "--user") if self.user else ("systemctl",)

    def states(self, services: Sequence[Any]) -> Read:
        """One ``systemctl show`` of all their units."""
        return Read((*self.systemctl, "show", "-p", _PROPERTIES, *(service.unit for service in services)))

    def parse_states(self, services: Sequence[Any], printed: str) -> dict[str, ServiceReading]:
        """What `states` printed, by the services' names; those not printed are absent."""
        blocks = [_properties(block) for block in printed.split("\n\n") if block.strip()]
        if len(blocks) == len(services):  # in the order asked, so an alias that prints its unit's Id is found too
            return {service.name: _reading(block) for service, block in zip(services, blocks, strict=True)}
        by_id = {block.get("Id", ""): block for block in blocks}
        return {service.name: _reading(by_id[service.unit]) for service in services if service.unit in by_id}


def _properties(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}


def _reading(properties: dict[str, str]) -> ServiceReading:
    return ServiceReading(
        word=_word(properties),
        main_pid=_number(properties.get("MainPID", "")),
        restarts=_number(properties.get("NRestarts", "")),
        result=clean(properties.get("Result", ""), 40),
        invocation=clean(properties.get("InvocationID", ""), 40),
    )


def _word(properties: dict[str, str]) -> ServiceWord:
    load = properties.get("LoadState", "loaded")
    word = _WORDS.get(properties.get("ActiveState", ""), ServiceWord.STOPPED)
    if word is not ServiceWord.STOPPED or load in {"loaded", "masked"}:
        return word
    return ServiceWord.MISSING if load == "not-found" else ServiceWord.FAILED


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
