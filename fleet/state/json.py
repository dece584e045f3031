"""The state of a fleet as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fleet.model import Place
from fleet.readings import EngineReading, GpuIdentity, GpuReading, Link, ProcessReading
from fleet.state import FleetState, GpuState


def status_json(state: FleetState) -> dict[str, Any]:
    """The ``gpudeck/status/1`` document: sizes in bytes, None where nothing was measured."""
    return {
        "schema": "gpudeck/status/1",
        "fleet": state.fleet,
        "hosts": [
            {
                "name": host.name,
                "state": "unreachable" if host.link is Link.CONNECTING else str(host.link),
                "reason": host.reason or None,
                "remarks": list(host.remarks),
                "age_seconds": None if host.age_seconds is None else round(host.age_seconds, 1),
                "exporter": host.exporter,
                "production": host.production,
                "gpus": [_gpu_json(gpu) for gpu in host.gpus],
            }
            for host in state.hosts
        ],
        "models": [
            {
                "name": model.name,
                "state": str(model.word),
                "place": _place_text(model.model.place),
                "used_bytes": model.used_bytes,
                "estimate_bytes": model.estimate_bytes,
                "estimate_basis": model.estimate.basis if model.estimate else None,
                "kv_usage": model.engine.kv_usage,
                "restarts": model.service.restarts if model.service else None,
                "why_not_up": model.why_not_up or None,
                "running": model.engine.running,
                "waiting": model.engine.waiting,
                **_engine_json(model.engine),
            }
            for model in state.models
        ],
    }


def _stranger_json(process: ProcessReading, reading: GpuReading) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "name": process.name,
        "owner": process.owner,
        "used_bytes": process.on(reading.identity.pci),
    }


def _place_text(place: Place | None) -> str | None:
    return None if place is None else str(place)


def _identity_json(who: GpuIdentity) -> dict[str, Any]:
    return {
        "pci": who.pci,
        "partition": who.partition,
        "hip_index": who.hip_index,
        "smi_index": who.smi_index,
        "node": who.node,
        "drm_card": who.drm_card,
        "render_minor": who.render_minor,
        "gpu_id": who.gpu_id or None,
        "uuid": who.uuid,
        "compute_partition": who.compute_partition,
        "memory_partition": who.memory_partition,
    }


def _gpu_json(gpu: GpuState) -> dict[str, Any]:
    reading = gpu.reading
    return {
        "id": str(gpu.gpu),
        "pci": gpu.pci,
        "total_bytes": gpu.total_bytes,
        "used_bytes": gpu.used_bytes,
        "estimate_bytes": gpu.outlook.peak_bytes,
        "other_bytes": gpu.other_bytes,
        "unheld_bytes": gpu.unheld_bytes,
        "strangers": [_stranger_json(process, reading) for process in gpu.strangers if reading],
        "temperature_c": reading.temperature_c if reading else None,
        "power_w": reading.power_w if reading else None,
        "identity": _identity_json(reading.identity) if reading else None,
        "memory_temperature_c": reading.memory_temperature_c if reading else None,
        "busy_percent": reading.busy_percent if reading else None,
        "resetting": reading.resetting if reading else None,
        "throttling_percent": asdict(reading.throttling) if reading and reading.throttling else None,
        "memory_errors": asdict(reading.errors) if reading and reading.errors else None,
        "cordoned": asdict(gpu.cordon) if gpu.cordon else None,
        "models": [model.name for model in gpu.models],
    }


def _engine_json(engine: EngineReading) -> dict[str, Any]:
    """What only an endpoint tells. Rates a second; latencies in seconds at the 50th and the 95th percentile."""
    return {
        "engine_word": engine.word,
        "sleep": engine.sleep,
        "loaded_models": list(engine.loaded_models),
        "tokens_per_second": _rounded(engine.tokens_per_second),
        "prompt_tokens_per_second": _rounded(engine.prompt_tokens_per_second),
        "requests_per_second": _rounded(engine.requests_per_second),
        "errors": engine.errors,
        "preemptions": engine.preemptions,
        "ttft_seconds": _percentiles(engine.ttft_p50_seconds, engine.ttft_p95_seconds),
        "inter_token_seconds": _percentiles(engine.inter_token_p50_seconds, engine.inter_token_p95_seconds),
        "end_to_end_seconds": _percentiles(engine.end_to_end_p50_seconds, engine.end_to_end_p95_seconds),
        "cache": {
            "block_size": engine.cache_block_size,
            "blocks": engine.cache_blocks,
            "tokens": engine.cache_tokens,
            "dtype": engine.cache_dtype,
        },
    }


def _percentiles(p50: float | None, p95: float | None) -> dict[str, float | None]:
    return {"p50": _rounded(p50), "p95": _rounded(p95)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
