"""The states of many services by one command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleet.commands import Answer, Read
from fleet.readings import ServiceReading, ServiceWord
from fleet.services import Service
from fleet.services.systemd import Systemd
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


def states_command(services: Sequence[Service]) -> Read:
    """The command that prints the state of all these services of one host.

    One ``systemctl show``; where both the system's and the user's manager are asked, a shell that runs the
    two. Raises ValueError without any service.
    """
    scopes = [units for units in _by_manager(services) if units]
    if not scopes:
        raise ValueError("the states of no service were asked for")
    shows = [Read((*units[0].systemctl, "show", "-p", _PROPERTIES, *(u.unit for u in units))) for units in scopes]
    if len(shows) == 1:
        return shows[0]
    return Read(("sh", "-c", "; echo; ".join(show.line for show in shows)))


def parse_states(services: Sequence[Service], answer: Answer) -> dict[str, ServiceReading]:
    """What `states_command` printed for the same services, by their names; those not printed are absent."""
    asked = [unit for units in _by_manager(services) for unit in units]
    blocks = [_properties(block) for block in answer.stdout.split("\n\n") if block.strip()]
    if len(blocks) == len(asked):  # in the order asked, so an alias that prints its unit's Id is found too
        return {unit.name: _reading(block) for unit, block in zip(asked, blocks, strict=True)}
    by_id = {block.get("Id", ""): block for block in blocks}
    return {unit.name: _reading(by_id[unit.unit]) for unit in asked if unit.unit in by_id}


def _by_manager(services: Iterable[Service]) -> tuple[list[Systemd], list[Systemd]]:
    units = [service for service in services if isinstance(service, Systemd)]
    return [unit for unit in units if not unit.user], [unit for unit in units if unit.user]


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
