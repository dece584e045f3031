"""The small program that a host with ``become: helper`` runs as root in place of whatever gpudeck asks for.

Sudo's own rules cannot look into a drop-in, so whoever may write one is as good as root. The helper looks: a drop-in
may set variables and arguments, and neither the program nor the user of its unit, which must not be root.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.resources import files

from console.doctor.sudo import TOKEN, grants, sudoers
from fleet.commands import ROOT_HELPER
from fleet.inventory import Host
from fleet.model import Model
from fleet.services.systemd import OVERLAY


def root_helper(host: Host, models: Sequence[Model]) -> str:
    """Its text for that host: it runs what rollouts run for system units, and for nothing else."""
    limited = [model for model in models if (model.service or "").startswith("systemd:") and not model.service_template]
    left_out = ", ".join(model.name for model in models if model not in limited)
    text = files("console.doctor").joinpath("root_helper.sh").read_text(encoding="utf-8")
    for name, value in {
        "HOST": host.name,
        "PATH": ROOT_HELPER,
        "SUDOERS": sudoers(host, limited).strip(),
        "LEFT_OUT": f"\n# Nothing can limit what these would need, so it does not run it: {left_out}." * bool(left_out),
        "TOKEN": TOKEN,
        "OVERLAY": OVERLAY,
        "ALLOWED": " | \\\n".join(_pattern(grant.words) for grant in grants(host, limited)),
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def _pattern(words: tuple[str, ...]) -> str:
    """The words joined by bars, as a pattern of sh in which only a rollout's token is open."""
    return "$token".join(shlex.quote(part) for part in "|".join(words).split(TOKEN))
