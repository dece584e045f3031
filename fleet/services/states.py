"""The states of many services by one command."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.commands import Answer, Read
from fleet.readings import ServiceReading
from fleet.services import Manager, Service

_NEXT = "@gpudeck-next"
"""A line between what one manager printed and what the next one did."""


def states_command(services: Sequence[Service]) -> Read:
    """The command that prints the state of all these services of one host.

    Where several managers are asked, a shell that asks them in turn. Raises ValueError without any service.
    """
    asked = [manager.states(members) for manager, members in _by_manager(services).items()]
    if not asked:
        raise ValueError("the states of no service were asked for")
    if len(asked) == 1:
        return asked[0]
    return Read(("sh", "-c", f"; echo; echo {_NEXT}; ".join(command.line for command in asked)))


def parse_states(services: Sequence[Service], answer: Answer) -> dict[str, ServiceReading]:
    """What `states_command` printed for the same services, by their names; those not printed are absent."""
    printed = answer.stdout.split(f"\n{_NEXT}\n")
    found: dict[str, ServiceReading] = {}
    for (manager, members), part in zip(_by_manager(services).items(), printed, strict=False):
        found.update(manager.parse_states(members, part))
    return found


def _by_manager(services: Sequence[Service]) -> dict[Manager, list[Service]]:
    found: dict[Manager, list[Service]] = {}
    for service in services:
        found.setdefault(service.manager, []).append(service)
    return found
