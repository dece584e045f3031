"""What the engines answer over HTTP: health, models, metrics, a few tokens. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fleet.simulator.engine import Api, Serving
from fleet.simulator.metrics import metrics
from fleet.simulator.physics import Phase, Run
from fleet.simulator.traffic import Load

_JSON, _TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"
_NOT_FOUND = {"detail": "Not Found"}
_LARGEST_ANSWER = 16
"""Tokens, however many are asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    body: bytes = b""
    content_type: str = _JSON


def respond(run: Run, method: str, path: str, body: bytes) -> Reply:
    """What a run's program answers to a request now."""
    if run.phase is Phase.LOADING:
        return _json({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
    load = run.load
    if load is None:
        return Reply(503)
    match method, path.partition("?")[0]:
        case "GET", "/health":
            return _json({"status": "ok"}) if load.serving.api is not Api.VLLM else Reply(200)
        case "GET", "/metrics":
            return _metrics(run, load)
        case "GET", "/version" if load.serving.api is Api.VLLM:
            return _json({"version": str(run.launch.version)})
        case "GET", "/v1/models":
            return _models(run, load.serving)
        case "POST", "/v1/completions" | "/v1/chat/completions":
            return _completion(load, body, chat=path.startswith("/v1/chat"))
        case "POST", "/embed" if run.processes[0].name == "text-embeddings-router":
            load.serve(8, 0)
            return _json([[0.013, -0.042, 0.008, 0.021]])
        case _:
            return _json(_NOT_FOUND, 404)


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode())


def _models(run: Run, serving: Serving) -> Reply:
    entry: dict[str, object] = {
        "id": serving.model,
        "object": "model",
        "created": round(run.processes[0].started),
        "owned_by": "vllm" if serving.api is Api.VLLM else "llamacpp",
    }
    if serving.api is Api.VLLM:
        entry |= {"root": serving.model, "parent": None, "max_model_len": serving.longest}
    return _json({"object": "list", "data": [entry]})


def _completion(load: Load, body: bytes, *, chat: bool) -> Reply:
    serving = load.serving
    if serving.api is Api.PLAIN:
        return _json(_NOT_FOUND, 404)
    try:
        asked = json.loads(body)
        prompt = str(asked["messages"] if chat else asked["prompt"])
        wanted = int(asked.get("max_tokens") or _LARGEST_ANSWER)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _json({"object": "error", "message": "the request is not a completion request", "code": 400}, 400)
    tokens = max(1, min(wanted, _LARGEST_ANSWER))
    said = ("Hello" + " there" * (tokens - 1))[: 6 * tokens]
    prompt_tokens = 1 + len(prompt) // 4
    load.serve(prompt_tokens, tokens)
    choice: dict[str, object] = {"index": 0, "finish_reason": "length"}
    choice |= {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
    return _json(
        {
            "id": f"cmpl-{load.finished}",
            "object": "chat.completion" if chat else "text_completion",
            "model": serving.model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": tokens,
                "total_tokens": prompt_tokens + tokens,
            },
        }
    )


def _metrics(run: Run, load: Load) -> Reply:
    if load.serving.api is Api.LLAMA and run.launch.arguments.get("metrics") is not True:
        message = "This server does not support metrics endpoint. Start it with `--metrics`"
        return _json({"error": {"code": 501, "message": message, "type": "not_supported_error"}}, 501)
    return Reply(200, metrics(run, load).encode(), _TEXT)
