from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.simulator.physics import Phase, Run

if TYPE_CHECKING:
    from tests.fleet.simulator.conftest import Bench

SERVER = ("/opt/llama.cpp/bin/llama-server", "--model", "/srv/models/MAI-DS-R1-Q4_K_M.gguf")
WHISPER = ("/opt/whisper/bin/whisper-server", "--model", "KBLab/kb-whisper-large")
ROUTER = ("/usr/local/bin/text-embeddings-router", "--model-id", "BAAI/bge-reranker-v2-m3")


def bars(bench: Bench, run: Run) -> list[float]:
    return [bench.held(run, gpu) for gpu in range(8)]


def test_layers_go_to_gpus_by_what_is_free_on_them(bench: Bench) -> None:
    run = bench.start(*SERVER, "--ctx-size", "32768", gpus="4,5,6")
    assert bars(bench, run)[4:7] == pytest.approx([117.6, 135.8, 123.7], abs=0.3)
    text = bench.log(run)
    assert "ggml_cuda_init: found 3 ROCm devices:" in text
    assert "load_tensors: offloaded 62/62 layers to GPU" in text
    assert "ROCm1 model buffer size = " in text
    assert "main: server is listening on http://127.0.0.1:" in text


def test_a_smaller_context_takes_less(bench: Bench) -> None:
    large = sum(bars(bench, bench.start(*SERVER, "--ctx-size", "131072", gpus="0,1,2")))
    small = sum(bars(bench, bench.start(*SERVER, "--ctx-size", "4096", gpus="4,5,6")))
    assert large - small == pytest.approx(8.3, abs=0.2)


def test_two_gpus_are_too_few(bench: Bench) -> None:
    run = bench.start(*SERVER, gpus="4,5")
    text = bench.log(run)
    assert run.phase is Phase.ENDED
    assert "alloc_tensor_range: failed to allocate ROCm1 buffer of size " in text
    assert "llama_model_load: error loading model: unable to allocate ROCm1 buffer" in text
    assert text.splitlines()[-1] == "main: exiting due to model loading error"


def test_split_mode_none_wants_it_all_on_one_gpu(bench: Bench) -> None:
    assert "unable to allocate ROCm0 buffer" in bench.log(bench.start(*SERVER, "--split-mode", "none", gpus="4,5,6"))


def test_split_mode_row_halves_every_matrix(bench: Bench) -> None:
    run = bench.start(*SERVER, "--split-mode", "row", "--ctx-size", "8192", gpus="4,5,6")
    assert bars(bench, run)[5:7] == pytest.approx([125.0, 125.0], abs=0.1)


def test_the_operators_own_proportions_are_kept(bench: Bench) -> None:
    run = bench.start(*SERVER, "--tensor-split", "1,2,2", "--ctx-size", "8192", gpus="4,5,6")
    assert bars(bench, run)[4] < 80 < bars(bench, run)[5]


def test_a_missing_file_is_said_so(bench: Bench) -> None:
    run = bench.start(SERVER[0], "--model", "/srv/models/none.gguf", gpus="4")
    assert "gguf_init_from_file: failed to open GGUF file '/srv/models/none.gguf'" in bench.log(run)


def test_whisper_moves_to_any_gpu_with_room(bench: Bench) -> None:
    run = bench.start(*WHISPER, gpus="7")
    assert run.phase is Phase.SERVING
    assert bench.held(run, 7) == pytest.approx(2.2, abs=0.05)


def test_whisper_does_not_fit_beside_two_coders(bench: Bench) -> None:
    bench.vllm("agentica-org/DeepCoder-14B-Preview", "--gpu-memory-utilization", "0.5", gpus="1")
    bench.vllm(
        "mistralai/Devstral-Small-2505",
        *("--gpu-memory-utilization", "0.5", "--max-model-len", "80000", "--enforce-eager"),
        gpus="1",
    )
    run = bench.start(*WHISPER, gpus="1")
    assert run.phase is Phase.ENDED
    assert "torch.OutOfMemoryError: HIP out of memory." in bench.log(run)


def test_a_router_says_when_it_is_ready(bench: Bench) -> None:
    assert bench.log(bench.start(*ROUTER, gpus="3")).endswith(": Ready")


def test_every_service_can_be_restarted_without_a_pause(bench: Bench) -> None:
    run = bench.start(*SERVER, "--ctx-size", "32768", gpus="4,5,6")
    bench.machine.stop(run)
    while run.phase is not Phase.ENDED:
        bench.machine.advance(bench.machine.next_event)
    assert bench.start(*SERVER, "--ctx-size", "32768", gpus="4,5,6").phase is Phase.SERVING


def test_a_program_that_is_not_installed_ends_with_203(bench: Bench) -> None:
    run = bench.start("/opt/sglang/bin/launch", gpus="3")
    assert run.status == 203
