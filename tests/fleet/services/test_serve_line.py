"""Pasted command lines: what people paste is understood, and what is not says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import UsageError
from fleet.model import Engine, Version
from fleet.services.docker_run import container
from fleet.services.serve_line import engine_arguments, read

MODEL = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize(
    "line",
    [
        f"vllm serve {MODEL} --tensor-parallel-size 2 --max-model-len 8192",
        f"vllm serve {MODEL} -tp 2 --max_model_len=8192",
        f"vllm serve --tensor-parallel-size=2 --max-model-len 8192 {MODEL}",
        f"$ sudo -E env A=b nohup /opt/venv/bin/vllm serve {MODEL} -tp=2 --max-model-len 8192 > log 2>&1 &",
        f"python -m vllm.entrypoints.openai.api_server --model {MODEL} --tensor_parallel_size 2 --max-model-len 8192",
        f"cd /srv && source venv/bin/activate; vllm serve {MODEL} -tp 2 --max-model-len 8192 | tee log",
        f"vllm serve {MODEL} \\\n  --tensor-parallel-size 2 \\\r\n  --max-model-len 8192 \\\n",
        f"docker run --gpus all -it vllm/vllm-openai --model {MODEL} -tp 2 --max-model-len 8192",
        f"podman run --device /dev/kfd --ipc=host -p 1:2 rocm/vllm vllm serve {MODEL} -tp 2 --max-model-len 8192",
        f"docker run rocm/vllm serve {MODEL} -tp 2 --max-model-len 8192",
        f"docker run --entrypoint vllm some/image serve {MODEL} -tp 2 --max-model-len 8192",
    ],
)
def test_every_way_to_write_a_line_is_read_alike(line: str) -> None:
    for words in ([line], line.replace("\\\n", " ").replace("\\\r\n", " ").split()):
        served = read(words)
        assert (served.engine, served.source) == (Engine("vllm"), MODEL)
        assert dict(served.args) == {"tensor-parallel-size": 2, "max-model-len": 8192}


@pytest.mark.parametrize(
    ("written", "value"), [("32k", 32_000), ("32K", 32_768), ("25.6k", 25_600), ("1M", 1 << 20), ("auto", "auto")]
)
def test_a_length_is_read_as_vllm_reads_it(written: str, value: int | str) -> None:
    assert read([f"vllm serve m --max-model-len {written}"]).args["max-model-len"] == value


def test_switches_their_negations_and_spelt_out_values() -> None:
    line = "vllm serve m --enforce-eager --no-enable-prefix-caching --enable-chunked-prefill False -O3 -q fp8"
    args = read([line]).args
    assert args["enforce-eager"] is True
    assert args["enable-prefix-caching"] is False and args["enable-chunked-prefill"] is False
    assert args["quantization"] == "fp8"


def test_a_json_value_stays_as_it_is() -> None:
    args = read(["""vllm serve m --speculative-config '{"method": "ngram", "num_speculative_tokens": 4}'"""]).args
    assert args["speculative-config"] == '{"method": "ngram", "num_speculative_tokens": 4}'


@pytest.mark.parametrize(
    ("line", "gpus"),
    [
        ("vllm serve m", None),
        ("HIP_VISIBLE_DEVICES=0,1 vllm serve m", 2),
        ("ROCR_VISIBLE_DEVICES=0,1,2,3 HIP_VISIBLE_DEVICES=2 vllm serve m", 1),
        ("export CUDA_VISIBLE_DEVICES=4,5,6; vllm serve m", 3),
        ("docker run -e HIP_VISIBLE_DEVICES=3 rocm/vllm vllm serve m", 1),
        ("docker run --gpus '\"device=0,1\"' vllm/vllm-openai --model m", 2),
        ("docker run --gpus all vllm/vllm-openai --model m", None),
        ("CUDA_VISIBLE_DEVICES= vllm serve m", None),
    ],
)
def test_the_gpus_it_may_see_are_counted(line: str, gpus: int | None) -> None:
    assert read([line]).gpus == gpus


def test_variables_that_set_the_engine_up_are_kept_and_no_others() -> None:
    args = read(["HF_TOKEN=secret VLLM_USE_V1=0 vllm serve m"]).args
    assert dict(args) == {"VLLM_USE_V1": "0"}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.9.1", "0.9.1"),
        ("rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909", "0.10.1"),
        ("vllm/vllm-openai:latest", None),
        ("localhost:5000/vllm/vllm-openai", None),
    ],
)
def test_the_version_is_in_the_images_tag(image: str, version: str | None) -> None:
    assert read([f"docker run {image} --model m"]).engine.version == (Version(version) if version else None)


@pytest.mark.parametrize(
    ("line", "engine", "source"),
    [
        ("llama-server -m /models/a.gguf -c 32768 -ngl 99", "llama.cpp", "/models/a.gguf"),
        ("python3 -m sglang.launch_server --model-path m/x --tp 8", "sglang", "m/x"),
        ("docker run text-embeddings-inference:1.7 --model-id b/bge", "text-embeddings-inference", "b/bge"),
    ],
)
def test_other_engines_are_told_apart(line: str, engine: str, source: str) -> None:
    served = read([line])
    assert (served.engine.name, served.source) == (engine, source)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "no command in it"),
        ("ls -l", "no command in it"),
        ("vllm bench throughput", "no command in it"),
        ("vllm serve 'm", "cannot be read: no closing quotation"),
        ("vllm serve --port 1", "names no model"),
        ("docker run", "no command in it"),
        ("vllm serve m --max-model-len abc", "--max-model-len is a whole number such as 32768, not 'abc'"),
        ("vllm serve m --max-model-len", "--max-model-len wants a value"),
        ("vllm serve m --pipeline-parallel-size x", "--pipeline-parallel-size is a whole number"),
        ("vllm serve m --gpu-memory-utilization 1.5", "above 0 and at most 1"),
        ("vllm serve m --enforce-eager=maybe", "--enforce-eager is a switch"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        read([line])
    assert sentence in error.value.message


def test_another_name_of_a_flag_is_the_same_flag() -> None:
    args = engine_arguments("vllm", ["--device-memory-utilization", "0.5"])
    assert dict(args) == {"gpu-memory-utilization": 0.5}


def test_a_container_is_taken_apart() -> None:
    line = "sudo docker run -dit --rm --name vllm -v /a:/b -eA=1 --env=B=2 --gpus 2 image:tag serve it --port 1"
    found = container(line.split())
    assert found is not None
    assert (found.image, found.command) == ("image:tag", ("serve", "it", "--port", "1"))
    assert (dict(found.environment), found.gpus) == ({"A": "1", "B": "2"}, 2)


def test_escape_sequences_do_not_get_into_a_name() -> None:
    assert read(["vllm serve 'm\x1b[31m/x'"]).source == "m/x"


@given(st.lists(st.text(max_size=12), max_size=8), st.booleans())
def test_any_words_at_all_are_read_or_refused(words: list[str], docker: bool) -> None:
    start = ["docker", "run"] if docker else ["vllm", "serve"]
    try:
        assert read([*start, *words]).source
    except UsageError as error:
        assert error.message
