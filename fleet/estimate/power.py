"""About how much power GPUs draw under load, where nobody has measured it.

Idle Instinct MI300X read 120 to 194 W of their 750 W. Reading a prompt computes and reaches the limit; writing text is
bound by memory bandwidth and draws about half of it, at any number of sequences (Patel et al., Splitwise, ISCA 2024,
and Characterizing Power Management Opportunities for LLMs in the Cloud, ASPLOS 2024). A GPU that serves mixes both.
What it draws in a moment is anything up to its limit; a host's GPUs together stay near the sum of these.
"""

from __future__ import annotations

from fleet.hardware import Accelerator

_IDLE = 0.2
"""Of the limit, with or without models that nobody asks anything."""
_WRITING = 0.5
"""Of what is left to the limit, where text is written: once for all models of a GPU, as they divide its bandwidth."""
_COMPUTING = 0.2
"""The same for each model that only computes, such as embeddings, in short bursts."""


def idle_watts(accelerator: Accelerator) -> float:
    """What one GPU draws while nobody asks it anything."""
    return _IDLE * accelerator.power_watts


def busy_watts(accelerator: Accelerator, *, writing: int, computing: int) -> float:
    """What one GPU draws under the usual load of as many models that write text, and as many that only compute."""
    load = min(1.0, _WRITING * (writing > 0) + _COMPUTING * computing)
    return idle_watts(accelerator) + load * (accelerator.power_watts - idle_watts(accelerator))
