"""What operators want to be told of, when and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleet.units import DayHours

SEVERITIES = ("error", "warning", "info")
QUANTITIES = (
    "used_share", "busy_percent", "temperature_c", "memory_temperature_c", "power_w",
    "kv_usage", "running", "waiting", "tokens_per_second", "ttft_p95_seconds",
    "age_seconds",
)  # fmt: skip
"""What a rule may watch: first of GPUs, then of models, last of hosts."""
DOWN = "down"
"""The state of a model that should serve and has failed or was stopped."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One thing to be told of. One of finding, state and quantity is given."""

    name: str
    finding: str | None = None
    """A code, or the severity from which on findings count."""
    state: str | None = None
    """`DOWN`."""
    quantity: str | None = None
    """One of `QUANTITIES`."""
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    """Where it is over again; None = at the threshold itself."""
    seconds: float = 0.0
    """How long it must have been so."""
    clear_seconds: float = 60.0
    """How long it must not have been so."""
    severity: str | None = None
    """None = the finding's own; else ``error`` for a state and ``warning`` for a quantity."""


USUAL_RULES = (
    AlertRule("errors", finding="error", seconds=60),
    AlertRule("down", state=DOWN, seconds=60),
    AlertRule("cache-full", quantity="kv_usage", above=0.97, clear=0.9, seconds=300),
)


@dataclass(frozen=True, slots=True)
class Alerts:
    """What a fleet's operators are told of, and by what."""

    rules: tuple[AlertRule, ...] = USUAL_RULES
    bell: bool = False
    desktop: bool = False
    """By the escape sequence that many terminals show as a notification."""
    webhook_env: str | None = None
    """The environment variable with the webhook's URL. The URL is a secret, and is kept nowhere."""
    webhook_file: Path | None = None
    """The file with the webhook's URL, read again for every call."""
    quiet: DayHours | None = None
    """When only errors are told at once."""

    @property
    def has_webhook(self) -> bool:
        """Whether one is named."""
        return bool(self.webhook_env or self.webhook_file)
