"""``gpudeck estimate``: every way to ask, what it prints, its JSON and its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from fleet.errors import Exit

LLAMA, QWEN = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B"
DEMO = str(Path(__file__).parents[2] / "fleet" / "simulator" / "fleet.yaml")
CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 16,
    "hidden_size": 2048,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
}
Captured = pytest.CaptureFixture[str]


def estimate(*words: str) -> int:
    return main(["estimate", *words])


def document(capsys: Captured, *words: str) -> Any:
    estimate("--json", *words)
    return json.loads(capsys.readouterr().out)


def refused(capsys: Captured, *words: str) -> str:
    """What is said on standard error where nothing can be estimated."""
    assert estimate(*words) == Exit.USAGE
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_the_document_has_the_keys_of_its_schema(capsys: Captured) -> None:
    found = document(capsys, LLAMA, "--gpu", "H100", "--engine", "vllm 0.19.0")
    assert found["schema"] == "gpudeck/estimate/1"
    assert (found["model"], found["outcome"], found["refusal"]) == (LLAMA, "started", None)
    (gpu,) = found["per_gpu"]
    parts = ("weights_bytes", "kv_cache_bytes", "activations_bytes", "graphs_bytes", "context_bytes")
    assert sum(gpu[part] for part in parts) == gpu["total_bytes"]
    assert gpu["low_bytes"] <= gpu["total_bytes"] <= gpu["high_bytes"]
    assert {"kv_cache_tokens", "max_concurrency", "longest_length", "ways_out"} <= set(found)


def test_a_refusal_is_the_engines_sentence_and_exit_code_1(capsys: Captured) -> None:
    words = (LLAMA, "--gpu", "MI300X", "--engine", "vllm 0.9.0", "--gpu-memory-utilization", "0.1")
    assert estimate(*words) == Exit.FINDINGS
    printed = capsys.readouterr().out
    assert "The model's max seq len (131072) is larger than the maximum number of tokens" in printed
    assert "utilization 0.18" in printed
    found = document(capsys, *words)
    assert found["refusal"] in printed
    assert {"summary": "utilization 0.18", "set": {"gpu-memory-utilization": 0.18}} in found["ways_out"]


def test_what_a_way_out_sets_can_be_typed(capsys: Captured) -> None:
    words = (LLAMA, "--gpu", "L4", "--engine", "vllm 0.19.0")
    ways = document(capsys, *words)["ways_out"]
    assert ways
    for way in ways:
        flags = [word for flag, value in way["set"].items() for word in (f"--{flag}", str(value))]
        assert estimate(*words, *flags) == Exit.DONE, way["summary"]


def test_columns_are_aligned_and_add_up(capsys: Captured) -> None:
    assert estimate(LLAMA, "--gpu", "MI300X", "-tp", "2", "--engine", "vllm 0.19.0") == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if line.startswith("GPU"))
    rows = [line for line in lines if line.startswith("MI300X/")]
    assert len(rows) == 2 and {len(line) for line in rows} == {len(heading)}
    sizes = [float(number) for number in re.findall(r"\d+\.\d", rows[0])]
    assert sum(sizes[:5]) == pytest.approx(sizes[5], abs=0.3)


def test_engine_flags_may_stand_anywhere_and_in_any_spelling(capsys: Captured) -> None:
    spellings = [
        ("--max-model-len", "32k", LLAMA, "--gpu", "H100", "--enforce-eager"),
        (LLAMA, "--enforce-eager", "--max_model_len=32000", "--gpu=H100"),
        ("--gpu", "H100", "--", "vllm", "serve", LLAMA, "--enforce-eager", "--max-model-len=32k"),
        ("--gpu", "H100", "--", f"vllm serve {LLAMA} --enforce-eager --max-model-len 32000"),
        ("--gpu", "H100", "--max-model-len", "32000", "--", f"vllm serve {LLAMA} --enforce-eager"),
    ]
    documents = [document(capsys, *words) for words in spellings]
    assert all(found == documents[0] for found in documents)
    assert documents[0]["max_model_len"] == 32_000 and documents[0]["per_gpu"][0]["graphs_bytes"] == 0


def test_a_pasted_line_has_the_gpus_it_may_see(capsys: Captured) -> None:
    line = f"HIP_VISIBLE_DEVICES=0 vllm serve {LLAMA} -tp 2"
    found = document(capsys, "--gpu", "MI300X", "--", line)
    assert "World size (2) is larger than the number of available GPUs (1)" in found["refusal"]
    assert [way["set"] for way in found["ways_out"]] == [{"tensor-parallel-size": 1}]


def test_the_version_comes_from_the_image_unless_it_is_said(capsys: Captured) -> None:
    line = f"docker run vllm/vllm-openai:v0.9.1 --model {LLAMA}"
    assert document(capsys, "--gpu", "H100", "--", line)["engine"] == "vllm 0.9.1"
    assert document(capsys, "--gpu", "H100", "--engine", "vllm 0.20.0", "--", line)["engine"] == "vllm 0.20.0"


def test_a_config_file_is_enough(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "tiny" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(CONFIG))
    for words in (("--config", str(file)), ("--config", str(file.parent)), (str(file.parent),)):
        found = document(capsys, *words, "--gpu", "L4", "--engine", "vllm 0.19.0")
        assert found["outcome"] == "started"
        assert found["per_gpu"][0]["weights_bytes"] == pytest.approx(2.47e9, rel=0.02)
    assert document(capsys, "--config", str(file), "--gpu", "L4")["model"] == "tiny"
    assert document(capsys, "mine", "--config", str(file), "--gpu", "L4")["model"] == "mine"


def test_a_file_of_architectures_adds_to_those_known(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(f"mine/tiny: {json.dumps(CONFIG)}\nmine/wide:\n  base: mine/tiny\n  intermediate_size: 16384\n")
    words = ("--architectures", str(file), "--gpu", "L4", "--engine", "vllm 0.19.0")
    tiny, wide = (document(capsys, name, *words)["per_gpu"][0]["weights_bytes"] for name in ("mine/tiny", "mine/wide"))
    assert wide - tiny == pytest.approx(16 * 3 * 2048 * 8192 * 2, rel=0.01)


def test_a_batch_is_answered_record_by_record(capsys: Captured, tmp_path: Path) -> None:
    batch, architectures = tmp_path / "batch.yaml", tmp_path / "architectures.yaml"
    batch.write_text(
        f"- {{id: one, vllm_version: 0.19.0, model: {LLAMA}, gpu: H100, gpu_count: 1, max_model_len: 32768}}\n"
        "- {id: two, vllm_version: 0.19.0, model: mine/tiny, gpu: L4, gpu_count: 1}\n"
        "- {id: three, vllm_version: 0.19.0, model: nobody/knows, gpu: L4, gpu_count: 1}\n"
    )
    architectures.write_text(f"mine/tiny: {json.dumps(CONFIG)}\n")
    one, two, three = document(capsys, "--batch", str(batch), "--architectures", str(architectures))
    assert (one["id"], one["outcome"], one["refusal"], one["error"]) == ("one", "started", None, None)
    assert one["weights_gib"] == pytest.approx(14.99, abs=0.05)
    assert two["weights_gib"] == pytest.approx(2.3, rel=0.02)
    assert "nobody/knows" in three["error"] and three["outcome"] is None


def test_a_name_without_its_organisation_is_enough_and_said(capsys: Captured) -> None:
    found = document(capsys, "llama-3.1-8b-instruct", "--gpu", "H100")
    assert f"llama-3.1-8b-instruct is reckoned as {LLAMA}." in found["notes"]


def test_a_model_of_a_fleet_is_reckoned_in_its_place_beside_its_neighbours(capsys: Captured) -> None:
    found = document(capsys, "devstral-small", "--fleet", DEMO, "--engine", "vllm 0.9.2")
    assert [gpu["gpu"] for gpu in found["per_gpu"]] == ["gpu01/1"]
    assert found["outcome"] == "refused" and found["refusal"].startswith("Free memory on device (")
    assert document(capsys, "devstral-small", "--fleet", DEMO)["outcome"] == "started"


def test_flags_go_on_top_of_a_fleets_arguments(capsys: Captured) -> None:
    found = document(capsys, "devstral-small", "--fleet", DEMO, "--max-model-len", "40000")
    assert found["max_model_len"] == 40_000
    assert found["per_gpu"][0]["graphs_bytes"] == 0


def test_any_model_can_be_tried_on_a_gpu_of_the_fleet(capsys: Captured) -> None:
    words = (QWEN, "--fleet", DEMO, "--on", "gpu01/7", "--engine", "vllm 0.19.0", "--max-model-len", "8192")
    assert document(capsys, *words)["outcome"] == "refused"
    assert document(capsys, *words, "--gpu-memory-utilization", "0.37")["outcome"] == "started"


def test_memory_of_others_is_counted(capsys: Captured) -> None:
    found = document(capsys, LLAMA, "--gpu", "MI300X", "--engine", "vllm 0.19.0", "--others", "40GiB")
    assert found["outcome"] == "refused" and found["refusal"].startswith("Free memory on device cuda:0 (151.")


def test_fit_says_what_a_model_can_have(capsys: Captured) -> None:
    words = (LLAMA, "--gpu", "L4", "--engine", "vllm 0.19.0", "--fit")
    assert estimate(*words) == Exit.DONE
    printed = capsys.readouterr().out
    found = document(capsys, *words)["fit"]
    assert f"longest context   {found['longest_length']:,} tokens at utilization 0.9" in printed
    assert estimate(*words, "--max-model-len", str(found["longest_length"])) == Exit.DONE


def test_fit_shares_out_one_gpu_of_a_fleet(capsys: Captured) -> None:
    found = document(capsys, "--fleet", DEMO, "--on", "gpu01/1", "--fit", "--engine", "vllm 0.9.2")
    assert (found["schema"], found["gpu"], found["fits"]) == ("gpudeck/fit/1", "gpu01/1", True)
    shares = {model["model"]: model["utilization"] for model in found["models"]}
    assert set(shares) == {"deepcoder-14b", "devstral-small"} and 0.95 < sum(shares.values()) < 1


def test_fit_of_models_that_do_not_fit_says_how_much_is_missing(capsys: Captured) -> None:
    words = ("--fit", LLAMA, "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "H100", "--engine", "vllm 0.19.0")
    assert estimate(*words) == Exit.FINDINGS
    assert re.search(r"They do not fit: \d+\.\d GiB are missing", capsys.readouterr().out)


def test_quick_prints_the_sum_step_by_step(capsys: Captured) -> None:
    words = ("--quick", "--params", "13B", "--layers", "40", "--width", "5120", "--tokens", "2000", "--users", "10")
    assert estimate(*words, "--beside", "9.2GB", "--gpu-memory", "40GB") == Exit.DONE
    printed = capsys.readouterr().out
    assert "= 819,200 B (800 KB of 1,024 B)" in printed
    assert "26 GB + 16 GB + 9.2 GB = 51.2 GB" in printed
    found = document(capsys, *words)
    assert (found["schema"], found["weights_bytes"]) == ("gpudeck/quick/1", 26 * 10**9)


def test_quick_takes_what_it_can_from_a_model(capsys: Captured) -> None:
    found = document(capsys, "--quick", QWEN, "--tokens", "1000")
    assert found["given"]["layers"] == 64 and found["given"]["kv_width"] == 1024
    assert found["sequence_bytes"] == 2 * 64 * 1024 * 2 * 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "No model is named"),
        ((LLAMA,), "It is not said on which kind of GPU"),
        ((LLAMA, "--gpu", "MI399"), "There is no accelerator 'MI399' we know"),
        ((LLAMA, QWEN, "--gpu", "H100"), "several go together with --fit"),
        (("metallama/Llama-3.1-8B-Instrct", "--gpu", "H100"), f"Did you mean {LLAMA}"),
        (("devstral-smal", "--fleet", DEMO), "Did you mean devstral-small"),
        (("nobody/knows-this", "--gpu", "H100"), "gpudeck estimate --config config.json"),
        ((LLAMA, "--gpu", "H100", "--engine", "vlm 1"), "'vlm' is not an engine we know"),
        ((LLAMA, "--gpu", "H100", "--max-model-len", "long"), "--max-model-len is a whole number"),
        ((LLAMA, "--gpu", "H100", "--gpus", "none"), "--gpus is a number of GPUs"),
        ((LLAMA, "--gpu", "H100", "--others", "40"), "--others: '40' is not a size"),
        ((LLAMA, "--fleet", DEMO, "--on", "gpu01/9"), "gpu01/9 is beyond gpu01"),
        ((LLAMA, "--fleet", DEMO, "--on", "seven"), "--on: 'seven' is not a place"),
        ((LLAMA, "--tokens", "5"), "--tokens goes with --quick"),
        (("--fit", "--fleet", DEMO, "--on", "gpu01/4"), "mai-ds-r1 runs on 3 GPUs"),
        (("--quick",), "The number of parameters is not given"),
        (("--quick", "--params", "many"), "--params is a number"),
        (("--quick", "--params", "1B", "--precision", "fp12"), "--precision is one of fp32, fp16"),
        (("--gpu", "H100", "--", "ls"), "There is no command in it that serves a model: ls"),
        (("--config", "/nowhere/config.json", "--gpu", "H100"), "/nowhere/config.json cannot be read"),
    ],
)
def test_what_makes_no_sense_is_a_sentence_and_exit_code_2(
    capsys: Captured, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(capsys, *words)


@pytest.mark.parametrize("content", ["", "[1", "[]", "[" * 100_000, '{"model_type": "llama"}', '"\\ud800"'])
def test_a_bad_config_is_a_sentence_and_exit_code_2(capsys: Captured, tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    assert refused(capsys, "--config", str(file), "--gpu", "H100").startswith("gpudeck: ")


@pytest.mark.parametrize("content", ["a: [", "just text", "- 1\n", "a: 1\na: 2\n", "\x00"])
@pytest.mark.parametrize("flag", ["--batch", "--architectures"])
def test_a_bad_file_of_records_is_a_sentence_and_exit_code_2(
    capsys: Captured, tmp_path: Path, flag: str, content: str
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(content)
    assert refused(capsys, LLAMA, "--gpu", "H100", flag, str(file)).startswith("gpudeck: ")


def test_an_unknown_option_is_the_engines_not_ours(capsys: Captured) -> None:
    assert estimate(LLAMA, "--gpu", "H100", "--some-flag-of-tomorrow", "7") == Exit.DONE
    assert "outcome         starts" in capsys.readouterr().out


def test_a_misspelt_flag_is_said_on_standard_error_and_in_the_document(capsys: Captured) -> None:
    pasted = f"vllm serve {LLAMA} --max-model-length 5 --served-model-name chat --port 8001"
    assert estimate("--json", "--gpu", "MI300X", "--engine", "vllm 0.9.0", "--", pasted) == Exit.DONE
    captured = capsys.readouterr()
    (warning,) = json.loads(captured.out)["warnings"]
    assert "--max-model-length" in warning
    assert "--max-model-len may be meant" in warning
    assert captured.err == f"gpudeck: warning: {warning}\n"


def test_flags_the_engine_has_are_passed_over_in_silence(capsys: Captured) -> None:
    flags = ("--chat-template", "x.jinja", "--enable-auto-tool-choice", "--max-model-len", "8192")
    assert estimate(LLAMA, "--gpu", "MI300X", *flags) == Exit.DONE
    assert not capsys.readouterr().err
    assert document(capsys, LLAMA, "--gpu", "MI300X", *flags)["warnings"] == []


def test_models_that_share_a_gpu_are_warned_of_together(capsys: Captured) -> None:
    words = ("--fit", LLAMA, "Qwen/Qwen3-8B", "--gpu", "MI300X", "--max-len", "8192")
    assert len(document(capsys, *words)["warnings"]) == 1
