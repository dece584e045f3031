"""Which release a build behaves like: development builds, nightlies and images, named by number or by date."""

from __future__ import annotations

import re

from fleet.model import Version

_RELEASES: tuple[tuple[int, str], ...] = (
    (20240823, "0.5.5"), (20240904, "0.6.0"), (20241017, "0.6.3"), (20241115, "0.6.4"), (20241227, "0.6.6"),
    (20250220, "0.7.3"), (20250318, "0.8.0"), (20250502, "0.8.5"), (20250528, "0.9.0"), (20250610, "0.9.1"),
    (20250707, "0.9.2"), (20250724, "0.10.0"), (20250818, "0.10.1"), (20250913, "0.10.2"), (20251004, "0.11.0"),
    (20251120, "0.11.2"), (20251203, "0.12.0"), (20251219, "0.13.0"), (20260124, "0.14.1"), (20260205, "0.15.1"),
    (20260225, "0.16.0"), (20260311, "0.17.1"), (20260331, "0.18.1"), (20260418, "0.19.1"), (20260427, "0.20.0"),
    (20260514, "0.21.0"), (20260605, "0.22.1"), (20260616, "0.23.0"), (20260630, "0.24.0"), (20260714, "0.25.1"),
    (20260725, "0.26.0"), (20260811, "0.27.1"), (20260826, "0.28.0"), (20260909, "0.29.0"), (20260922, "0.30.0"),
    (20261005, "0.31.0"), (20261018, "0.32.0"), (20261102, "0.33.0"),
)  # fmt: skip
"""Build dates of the released source distributions."""

_FIRST_SERVED: tuple[tuple[str, str], ...] = (
    (r"qwen-?3\.[89]|muse-glimmer|kimi-k3|glm-5\.3", "0.28.0"), (r"qwen-?3\.[67]|glm-5\.2", "0.21.0"),
    (r"qwen-?3\.5", "0.18.1"), (r"gemma-?4|minimax-m2\.7|kimi-k2\.6|glm-5|deepseek-v4", "0.21.0"),
    (r"mistral-small-4", "0.18.1"), (r"minimax-m2\.5|kimi-k2\.5", "0.16.0"), (r"deepseek-v3\.2", "0.11.2"),
    (r"kimi-linear|minimax-m2", "0.12.0"), (r"qwen-?3-next|qwen-?3-omni|kimi-k2", "0.11.0"), (r"gpt-?oss", "0.11.0"),
)  # fmt: skip
"""Versions current some weeks after models came out."""
_USUAL_V0, _USUAL_V1 = "0.6.3", "0.19.1"
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_EARLY = 100
"""Commits after a release up to which a development build is still like it."""
_WHOLE_CYCLE = 300
"""Commits that make a build like the next minor release, where patch numbers are guessed (from 0.15)."""


def release_of(text: str | None) -> Version | None:
    """The release a build named in free words behaves like; None where nothing tells.

    ``0.6.4.dev9+g5d264f4a`` is nine commits after 0.6.3; a nightly belongs to the release that followed it, an image
    to the one before it.
    """
    if not text:
        return None
    numbered = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\.?(?:post|rc|a|b)\d+)?(?:\.dev(\d+))?", text)
    if numbered and not re.match(r"\d{4}", numbered[0]) and int(numbered[1]) < 10:
        return _numbered(numbered)
    return _dated(text)


def _numbered(match: re.Match[str]) -> Version:
    major, minor, patch = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4] is None:
        return Version(f"{major}.{minor}.{patch}")
    commits = int(match[4])
    if minor >= 15:
        return Version(f"{major}.{minor + 1}.0" if commits >= _WHOLE_CYCLE else f"{major}.{minor}.{max(0, patch - 1)}")
    if commits >= _EARLY or (minor, patch) == (0, 0):
        return Version(f"{major}.{minor}.{patch}")
    earlier = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.99"
    return Version(earlier)


def _dated(text: str) -> Version | None:
    date = _date(text)
    if date is None:
        return None
    coming = re.search(r"main|nightly|master", text.lower())
    if coming:
        return Version(next((name for day, name in _RELEASES if day >= date), _RELEASES[-1][1]))
    return Version(next((name for day, name in reversed(_RELEASES) if day <= date), _RELEASES[0][1]))


def _date(text: str) -> int | None:
    """A day as YYYYMMDD; the last of the month where only that is told."""
    digits = re.search(r"(20\d\d)-?(\d\d)(?:-?(\d\d))?(?!\d)", text)
    if digits and 1 <= int(digits[2]) <= 12:
        return int(digits[1]) * 10000 + int(digits[2]) * 100 + int(digits[3] or 28)
    named = re.search(r"\b([A-Za-z]{3})[a-z]*\.? (20\d\d)", text)
    if named and named[1].lower() in _MONTHS:
        return int(named[2]) * 10000 + _MONTHS[named[1].lower()] * 100 + 28
    return None


def likely_release(name: str, v1: bool | None) -> Version:
    """The release a start most likely had of which only the model and the engine's generation are known.

    People start a model soon after it comes out, so it is the one that was current then; older ones run on whatever
    was usual.
    """
    if v1 is False:
        return Version(_USUAL_V0)
    plain = name.lower()
    return Version(next((first for pattern, first in _FIRST_SERVED if re.search(pattern, plain)), _USUAL_V1))
