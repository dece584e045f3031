"""What a model's own endpoint says."""

from __future__ import annotations

import asyncio

from fleet.errors import EndpointError
from fleet.model import Model
from fleet.readings import EngineReading
from fleet.ssh.probe_only import ProbeOnly
from fleet.telemetry import vllm_metrics


async def ask(connection: ProbeOnly, model: Model) -> EngineReading:
    """Ask a model's endpoint how it is, through its host's connection.

    Of vLLM, its figures are asked too; of llama.cpp they are not, because a router would load a model to give them.

    Raises UnreachableError where the host itself is not reached.
    """
    if model.url is None:
        return EngineReading()
    if model.engine.name != "vllm":
        return EngineReading(healthy=await is_healthy(connection, model.url))
    healthy, figures = await asyncio.gather(is_healthy(connection, model.url), _vllm_figures(connection, model.url))
    return EngineReading(healthy, figures.kv_usage, figures.running, figures.waiting)


async def is_healthy(connection: ProbeOnly, url: str) -> bool:
    """Whether an engine is up.

    vLLM, llama.cpp, SGLang and text-embeddings-inference answer ``/health`` with 200, and 503 while loading or dead.
    A server that knows no such page says 404, which shows it alive.
    """
    try:
        return (await connection.get(f"{url.rstrip('/')}/health")).status < 500
    except EndpointError:
        return False


async def _vllm_figures(connection: ProbeOnly, url: str) -> vllm_metrics.VllmFigures:
    try:
        answer = await connection.get(f"{url.rstrip('/')}/metrics")
    except EndpointError:
        return vllm_metrics.VllmFigures()
    if answer.status != 200:
        return vllm_metrics.VllmFigures()
    return vllm_metrics.parse(answer.body.decode("utf-8", "replace"))
