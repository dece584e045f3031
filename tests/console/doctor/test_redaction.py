"""What does not leave with a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.doctor.redaction import Redactor, aliases
from fleet.secrets import MASK

SECRET = "Zx81QwErTy0987654321"


@pytest.mark.parametrize(
    "text",
    [
        f"--api-key {SECRET}",
        f"--api-key={SECRET} --port 8000",
        f"--hf-token: {SECRET}",
        f"Environment=HF_TOKEN={SECRET}",
        f'"password": "{SECRET}"',
        f"PROMETHEUS_PASSWORD: '{SECRET} and more'",
        f"Authorization: Bearer {SECRET}",
        f"bearer {SECRET}",
        f"https://ops:{SECRET}@prometheus.example/api",
        f"https://hooks.example/x?key={SECRET}&y=1",
        f"hf_{SECRET}",
        f"ghp_{SECRET}",
        f"sk-{SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.c2ln",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\ncut off",
    ],
)
def test_a_secret_is_hidden_however_it_is_written(text: str) -> None:
    told = Redactor()(f"before {text} after")
    assert SECRET not in told
    assert MASK in told
    assert told.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "--max-model-len: 32768",
        "its KV cache holds 33,120 tokens",
        "it shows the key ssh-ed25519 SHA256:abcdefghijklmnop and ~/.ssh/known_hosts has none",
        "http://127.0.0.1:8001/health",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_names_are_replaced_as_whole_words_the_longest_first() -> None:
    redactor = Redactor(aliases({"host": ["gpu01", "gpu01.example.org"], "user": ["ops"]}))
    assert redactor("ops@gpu01.example.org is gpu01/3, not gpu011, and stops") == (
        "user-1@host-2 is host-1/3, not gpu011, and stops"
    )


def test_nothing_is_named_twice_and_an_empty_name_never() -> None:
    assert aliases({"host": ["a", "", "a"], "user": ["a", "b"]}) == {"a": "host-1", "b": "user-1"}


@given(st.text(alphabet="abcXYZ019+/=_-", min_size=16, max_size=40))
def test_no_value_of_a_password_survives(secret: str) -> None:
    assert f"={secret}" not in Redactor()(f"DB_PASSWORD={secret}\n")
