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
            return {s.name: self._reading(s, block) for s, block in zip(services, blocks, strict=True)}
        by_id = {block.get("Id", ""): block for block in blocks}
        return {s.name: self._reading(s, by_id[s.unit]) for s in services if s.unit in by_id}

    def _reading(self, service: Any, properties: dict[str, str]) -> ServiceReading:
        owner = f"systemd-user:{service.unit}" if self.user else f"systemd:{service.unit}"
        return ServiceReading(
            word=_word(properties),
            main_pid=_number(properties.get("MainPID", "")),
            restarts=_number(properties.get("NRestarts", "")),
            result=clean(properties.get("Result", ""), 40),
            invocation=clean(properties.get("InvocationID", ""), 40),
            runs_as=() if owner == service.name else (owner,),
        )


def _properties(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}


def _word(properties: dict[str, str]) -> ServiceWord:
    load = properties.get("LoadState", "loaded")
    word = _WORDS.get(properties.get("ActiveState", ""), ServiceWord.STOPPED)
    if word is not ServiceWord.STOPPED or load in {"loaded", "masked"}:
        return word
    return ServiceWord.MISSING if load == "not-found" else ServiceWord.FAILED


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
