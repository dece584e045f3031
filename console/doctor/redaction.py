"""What must not leave with a report: secrets never, names only if they may."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

HIDDEN = "[hidden]"
_WORD = r"[A-Za-z0-9_.-]*(?:token|secret|passw(?:or)?d|passphrase|api[-_]?key|credential|authorization)[A-Za-z0-9_-]*"
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(rf"(?i)(?P<keep>\b{_WORD}[\"']?\s*[=:]\s*)(?:bearer\s+|basic\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s,}}]+)"),
    re.compile(rf"(?i)(?P<keep>--{_WORD}\s+)(?:\"[^\"]*\"|'[^']*'|\S+)"),
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}"),
    re.compile(r"(?P<keep>://)[^/\s@]+(?=@)"),
    re.compile(r"(?P<keep>[?&][A-Za-z_]*(?:key|token|sig|secret)[A-Za-z_]*=)[^&\s]+", re.IGNORECASE),
    re.compile(r"\b(?:hf|ghp|gho|ghs|glpat|xox[abps])[_-][A-Za-z0-9_-]{8,}"),
    re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}"),
    re.compile(r"\bAKIA[A-Z0-9]{12,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"),
)
"""Of each, what the group ``keep`` holds is kept. File names of tokens (``token_file: PATH``) go too, which does no
harm."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Makes a text fit to be handed on."""

    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What is written instead of each name."""

    def __call__(self, text: str) -> str:
        """The text without secrets, and with the names replaced, whole words only."""
        for secret in _SECRETS:
            text = secret.sub(lambda match: (match.groupdict().get("keep") or "") + HIDDEN, text)
        if not self.names:
            return text
        longest_first = sorted(self.names, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        whole = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])")
        return whole.sub(lambda match: self.names[match[0]], text)


def aliases(kinds: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Other names, numbered by kind in the order given: ``host-1``. They say nothing of the names they stand for."""
    found: dict[str, str] = {}
    for kind, names in kinds.items():
        wanted = [name for name in dict.fromkeys(names) if name and name not in found]
        found |= {name: f"{kind}-{number}" for number, name in enumerate(wanted, 1)}
    return found
