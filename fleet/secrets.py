"""Tokens, keys and passwords: recognised by the names they are given and by their own shapes, and masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MASK = "***"
"""What stands where a secret was."""

_SECRET_WORDS = {
    "token", "authtoken", "apitoken", "accesstoken", "hftoken", "bearer", "cookie", "authorization",
    "key", "apikey", "authkey", "accesskey", "secretkey", "pass", "pwd",
}  # fmt: skip
"""The last words of secrets' names."""
_HOLDERS = {"password", "passwords", "passwd", "passphrase", "secret", "secrets", "credential", "credentials"}
"""Words that make a name a secret's wherever in it they are."""
_NO_SECRETS = {
    "token": {
        "bos", "eos", "pad", "unk", "mask", "cls", "sep", "stop", "image", "audio", "video", "start", "end", "think",
        "per", "next", "last", "first", "draft", "special", "max", "min", "extra", "prompt",
    },
    "key": {"public", "primary", "foreign", "sort", "cache", "partition", "override", "hash", "row"},
}  # fmt: skip
"""Words before those that make them something else: a token of a vocabulary, a key of a table."""
_PLURALS = re.compile(r"(?:^|-)(?:api|auth|access|hf|hub|bearer)-?(?:key|token)s$")
_ABOUT = {
    "file", "files", "path", "paths", "dir", "env", "name", "id", "ids", "url", "uri", "type", "length", "len", "size",
    "ttl", "timeout", "count", "enabled", "required", "index", "header", "expiry", "format", "policy", "version",
}  # fmt: skip
"""Words after a secret's that say something about it, or where it is kept."""

_REFERENCE = re.compile(r"\$(?:\w+|\{\w+(?:[:?+=-][^}]*)?\}|\([^)]*\))|%[dith]\S*|\{[\w.-]+\}|/run/secrets/\S+")
_NOTHING = {"", "none", "null", "true", "false", "[]", "''", '""', MASK}
_NAME = r"(?P<name>(?<![\w.-])-{0,2}[A-Za-z_][\w.-]*+)"
_VALUE = (
    r"(?P<value>\*{3}|\$\{[^}\n]*\}|\[[^\]\n]*\]?|(?:\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?|\\.|[^\s\"'\\,;&|<>()\]}])+)"
)
_IN_QUOTES = re.compile(rf"(?P<quote>[\"']){_NAME}(?P<between>=)(?P<value>(?:(?!(?P=quote))[^\n])+)")
_NAMED = re.compile(rf"{_NAME}(?P<between>[\"']?\s*(?:=>|[=:])[ \t]*|[\"']?[ \t]+){_VALUE}")
_HEADER = re.compile(r"(?P<before>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)[^\s\"'][^\"'\n]*", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<before>\b(?:bearer|basic)\s+)(?=\S*[\d=_-])[\w.~+/=-]{8,}", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<before>://[^\s/:@\"']*:)[^\s/@\"']+(?=@)")
_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[\w-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bxox[abeoprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bnvapi-[\w-]{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----BEGIN).)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def is_secret(name: str) -> bool:
    """Whether an argument, a variable, a header or a key of that name holds a secret: ``HF_TOKEN``, ``api-key`` …"""
    dashed = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()).strip("-")
    words = dashed.split("-")
    if words[-1] in _ABOUT:
        return words[-3:] == ["access", "key", "id"]
    if _PLURALS.search(dashed) or _HOLDERS & set(words):
        return True
    if words[-1] not in _SECRET_WORDS:
        return False
    return words[-2:-1] == [] or words[-2] not in _NO_SECRETS.get(words[-1], set())


def masked(text: str) -> str:
    """The text with every secret in it replaced by `MASK`: values of secret names, headers, passwords in URLs, and
    what has the shape of a known kind of token. References to variables, and paths of files, stay."""
    text = _SHAPES.sub(MASK, text)
    text = _IN_URL.sub(rf"\g<before>{MASK}", text)
    text = _HEADER.sub(rf"\g<before>{MASK}", text)
    text = _SCHEME.sub(rf"\g<before>{MASK}", text)
    text = _IN_QUOTES.sub(_hide, text)
    return _hide_named(text)


def masked_words(words: Sequence[str]) -> tuple[str, ...]:
    """A command's words with every secret in them masked; a secret flag's value is the whole word after it."""
    shown: list[str] = []
    hide_next = False
    for word in words:
        flag, equals, value = word.partition("=")
        if hide_next and not word.startswith("--") and not _is_harmless(word):
            shown.append(MASK)
        elif equals and re.fullmatch(r"-{0,2}[A-Za-z_][\w.-]*", flag) and is_secret(flag) and not _is_harmless(value):
            shown.append(f"{flag}={MASK}")
        else:
            shown.append(masked(word))
        hide_next = bool(re.fullmatch(r"--?[A-Za-z][\w.-]*", word)) and is_secret(word)
    return tuple(shown)


def holds_secret(words: Sequence[str]) -> bool:
    """Whether a command's words hold a secret."""
    return masked_words(words) != tuple(words)


def named_in(text: str) -> str | None:
    """The name of a secret a text gives a value to, ``a token`` where only its shape tells; None without any."""
    if masked(text) == text:
        return None
    return next((match["name"].lstrip("-") for match in _named(text)), "a token")


def _named(text: str) -> Iterator[re.Match[str]]:
    """Secrets with their names. The value of a name that is no secret's may be a name itself, and is looked at too."""
    position = 0
    while match := _NAMED.search(text, position):
        counts = _counts(match)
        if counts:
            yield match
        position = match.end() if counts else match.end("name")


def _hide_named(text: str) -> str:
    parts: list[str] = []
    position = 0
    for match in _named(text):
        parts += text[position : match.start()], _hide(match)
        position = match.end()
    return "".join((*parts, text[position:]))


def _counts(match: re.Match[str]) -> bool:
    """Whether what was matched is a secret's name with its value: after a blank only a flag's."""
    assigned = "=" in match["between"] or ":" in match["between"]
    if not is_secret(match["name"]) or not (assigned or match["name"].startswith("-")):
        return False
    return not _is_harmless(match["value"]) and (assigned or not match["value"].startswith("--"))


def _hide(match: re.Match[str]) -> str:
    if not _counts(match):
        return match[0]
    value = match["value"]
    quote = value[0] if value[:1] in "\"'" and value[:1] == value[-1:] else ""
    before = match.string[match.start() : match.start("value")]
    return f"{before}{quote}{MASK}{quote}"


def _is_harmless(value: str) -> bool:
    bare = value.strip().strip("\"'")
    return bare.lower() in _NOTHING or _REFERENCE.fullmatch(bare) is not None
