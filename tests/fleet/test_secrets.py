"""Secrets are recognised wherever they are written, and what is none is left alone."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands import Write
from fleet.secrets import MASK, holds_secret, is_secret, masked, masked_words, named_in

VARIABLES = [
    "HF_TOKEN",
    "VLLM_API_KEY",
    "OPENAI_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASSWORD",
    "GH_TOKEN",
    "MY_SECRET",
]
FLAGS = ["--api-key", "--hf-token", "--hf_token", "--ssl-keyfile-password", "--auth-token"]
values = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), min_size=6, max_size=40).map(
    lambda text: f"q7{text}x9"
)
plain_values = st.from_regex(r"[A-Za-z0-9._~+/-]{6,40}", fullmatch=True).map(lambda text: f"q7{text}x9")


@given(st.sampled_from(VARIABLES), st.sampled_from(FLAGS), values)
def test_no_word_of_a_command_shows_a_secret(variable: str, flag: str, value: str) -> None:
    words = ("env", f"{variable}={value}", "serve", flag, value, f"{flag}={value}", "--port", "80")
    shown = Write(words).shown
    assert value not in shown and shlex.quote(value) not in shown
    assert masked_words(words)[-2:] == ("--port", "80")
    assert masked_words(masked_words(words)) == masked_words(words)


@given(st.sampled_from(VARIABLES), st.sampled_from(FLAGS), plain_values)
def test_no_text_shows_a_secret_however_it_is_written(variable: str, flag: str, value: str) -> None:
    for text in (
        f"Environment={variable}={value} NAME=x",
        f'Environment="{variable}={value} and more" NAME=x',
        f"ExecStart=/bin/vllm serve m {flag} {value} --port 80",
        f"ExecStart=/bin/vllm serve m {flag}='{value}' --port 80",
        f"sh -c {shlex.quote(f'export {variable}={shlex.quote(value)}; serve')}",
        json.dumps({"a": 1, variable: value, flag.lstrip("-"): value}),
        f"args: Namespace(model='m', {flag.lstrip('-').replace('-', '_')}=['{value}', '{value}'], port=80)",
        f"{variable}: {value}",
        f"> Authorization: Bearer {value}",
        f"curl -H 'authorization: Basic {value}' https://ops:{value.replace('/', '_')}@host/path",
        f"https://host/v1?api_key={value}&n=2",
    ):
        hidden = masked(text)
        assert value not in hidden, hidden
        assert MASK in hidden
        assert masked(hidden) == hidden


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "token",
    [
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "sk-proj-0123456789abcdef0123",
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_token_is_known_by_its_shape_where_nothing_names_it(token: str) -> None:
    assert masked(f"downloading with {token} now") == f"downloading with {MASK} now"


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve m --max-num-batched-tokens 8192 --tokenizer x --tokenizer-mode auto",
        "TOKENIZERS_PARALLELISM=false HF_TOKEN_PATH=/root/token HF_HUB_ENABLE_HF_TRANSFER=1",
        "eos_token: </s>, pad_token='<pad>', max_tokens=5, prompt_tokens: 12",
        "--api-key ${VLLM_API_KEY} --hf-token $HF_TOKEN api_key=None",
        "--ssl-keyfile /etc/ssl/key.pem --api-key-file /run/secrets/key",
        "Environment=ROCR_VISIBLE_DEVICES=GPU-1a2b3c4d5e6f7081",
        "The model's max seq len (40960) is larger than the maximum number of tokens",
        "GET http://127.0.0.1:8001/v1/models",
    ],
)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert masked(text) == text
    assert named_in(text) is None
    assert not holds_secret(text.split())


def test_a_secret_is_called_by_its_name() -> None:
    assert named_in("[Service]\nEnvironment=HF_TOKEN=abc\n") == "HF_TOKEN"
    assert named_in("with hf_abcdefghijklmnopqrstuvwxyzABCDEFGH") == "a token"


@pytest.mark.parametrize("name", ["apiKey", "X-Api-Key", "password", "GITHUB_TOKEN", "hf-token", "AWS_ACCESS_KEY_ID"])
def test_names_of_secrets_are_known_in_any_spelling(name: str) -> None:
    assert is_secret(name)
