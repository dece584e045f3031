"""What exporters print, as their authors document it, for hosts of eight GPUs."""

from __future__ import annotations

from collections.abc import Mapping

TOTAL_MIB = 196_592
"""An MI300X."""


def series(name: str, labels: Mapping[str, object], value: object) -> str:
    """One line."""
    listed = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{listed}}} {value}\n"


def amd_page(host: str, used_mib: Mapping[int, int], *, prefix: str = "") -> str:
    """AMD's device metrics exporter, 1.5, on a host whose GPUs have that much in use."""
    lines = []
    for gpu, used in used_mib.items():
        labels = {
            "card_model": "MI300X",
            "gpu_compute_partition_type": "spx",
            "gpu_id": gpu,
            "gpu_memory_partition_type": "nps1",
            "gpu_partition_id": 0,
            "hostname": host,
            "serial_number": f"{host}-{gpu}",
        }
        values = {
            "gpu_total_vram": TOTAL_MIB,
            "gpu_used_vram": used,
            "gpu_free_vram": TOTAL_MIB - used,
            "gpu_gfx_activity": 10 + gpu,
            "gpu_junction_temperature": 50 + gpu,
            "gpu_memory_temperature": 40 + gpu,
            "gpu_package_power": 400 + gpu,
            "gpu_ecc_correct_total": 0,
        }
        lines += [series(prefix + name, labels, value) for name, value in values.items()]
    return "".join(lines)


def dcgm_page(host: str, used_mib: Mapping[int, int], blank: str = "9223372036854775794") -> str:
    """NVIDIA's DCGM exporter on a host whose GPUs have that much in use; one of them has no memory sensor."""
    lines = []
    for gpu, used in used_mib.items():
        labels = {
            "gpu": gpu,
            "UUID": f"GPU-5fd4f087-86f3-7a43-b711-4771313afc5{gpu}",
            "pci_bus_id": f"00000000:{0x17 + gpu:02X}:00.0",
            "device": f"nvidia{gpu}",
            "modelName": "NVIDIA H100 80GB HBM3",
            "Hostname": host,
        }
        values = {
            "DCGM_FI_DEV_FB_USED": used,
            "DCGM_FI_DEV_FB_FREE": 80_000 - used,
            "DCGM_FI_DEV_FB_RESERVED": 1_089,
            "DCGM_FI_DEV_GPU_UTIL": 55,
            "DCGM_FI_DEV_GPU_TEMP": 41,
            "DCGM_FI_DEV_MEMORY_TEMP": blank if gpu == 0 else 47,
            "DCGM_FI_DEV_POWER_USAGE": 312.5,
        }
        lines += [series(name, labels, value) for name, value in values.items()]
    return "".join(lines)


def vllm_page(model: str, *, usage: float, running: int, waiting: int, engine: int = 0) -> str:
    """One engine of a vLLM of 0.10 or later."""
    labels = {"engine": engine, "model_name": model}
    values = {
        "vllm:kv_cache_usage_perc": usage,
        "vllm:num_requests_running": float(running),
        "vllm:num_requests_waiting": float(waiting),
        "vllm:generation_tokens_total": 27453.0,
    }
    return "".join(series(name, labels, value) for name, value in values.items())
