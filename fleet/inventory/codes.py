"""The codes of the findings there are, which a fleet file may name. `fleet.findings.registry` says what each means."""

from __future__ import annotations

from fleet.inventory.problems import did_you_mean

CODES = (
    "ARG001",
    "KV001", "KV002",
    "MEM001", "MEM002",
    "CTX001", "CTX002",
    "PAR001",
    "MEM003", "MEM005", "MEM006", "MEM007",
    "PAR003", "PAR004",
    "QNT001", "QNT002", "QNT003", "QNT004",
    "POL001", "POL002", "POL003", "POL004", "POL005",
    "RED001", "RED002",
    "PERF001",
    "LIVE001", "LIVE002", "LIVE003", "LIVE004", "LIVE005", "LIVE006", "LIVE007", "LIVE008", "LIVE009", "LIVE010",
    "PRE001", "PRE002", "PRE003", "PRE004", "PRE005", "PRE006",
    "PRE007", "PRE008", "PRE009", "PRE010",
    "RTE001", "RTE002",
    "AUT001",
    "IGN001",
)  # fmt: skip


def no_such_code(code: str) -> str:
    """The sentence for a code that no finding has."""
    return f"there is no finding {code!r}; {did_you_mean(code.upper(), CODES)}"
