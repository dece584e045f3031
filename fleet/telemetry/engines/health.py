"""Whether an engine is up, by what it answers at ``/health``."""

from __future__ import annotations

from http import HTTPStatus

from fleet.http import HttpAnswer
from fleet.readings import EngineWord

_UNAVAILABLE = {
    "vllm": EngineWord.DEAD,
    "llama.cpp": EngineWord.LOADING,
    "sglang": EngineWord.LOADING,
    "text-embeddings-inference": EngineWord.DEAD,
    "infinity": EngineWord.LOADING,
}
"""Engines that have the page, and what 503 there says of each: vLLM's server outlives its engine and does not listen
before it serves, llama.cpp's and SGLang's listen while they load."""
_ALIVE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
"""It asks for a key, or has much to do."""


def judge(engine: str, answer: HttpAnswer) -> EngineWord | None:
    """What the answer at ``/health`` says of the engine of that name; None where it is no engine's answer.

    A page of HTML, or a redirect, is some other server's in its place. Of an engine without such a page, any answer
    that is not an error of the server shows it alive.
    """
    status = answer.status
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return _UNAVAILABLE.get(engine, EngineWord.LOADING)
    if engine not in _UNAVAILABLE:
        return EngineWord.READY if status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    if status in _ALIVE or (status == HTTPStatus.OK and answer.body.lstrip()[:1] != b"<"):
        return EngineWord.READY
    return None
