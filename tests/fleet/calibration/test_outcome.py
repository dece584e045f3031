"""What is recorded of a prediction and its outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.calibration.outcome import outcomes
from fleet.calibration.reading import read_starts
from fleet.estimate.estimating import estimate
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, GpuId, Model, Place, Version
from fleet.startup import Ending, ModelStart, digest
from fleet.units import GiB

LLAMA = Model(
    "llama",
    Engine("vllm", Version("0.9.2")),
    source="meta-llama/Llama-3.1-8B-Instruct",
    place=Place("gpu01", (3,)),
    args=Arguments({"VLLM_USE_V1": 0, "gpu-memory-utilization": 0.8}),
)
(STARTUP,) = read_starts("vllm", (Path(__file__).parent / "logs" / "vllm-0.9.2.dev364-rocm.log").read_text())
START = ModelStart(STARTUP, LLAMA.args, LLAMA.source or "", "MI300X")
PREDICTED = estimate(LLAMA, accelerator("MI300X"))


def test_each_part_is_kept_as_it_was_reckoned_and_as_it_was_printed() -> None:
    (outcome,) = outcomes(LLAMA, START, PREDICTED)
    assert (outcome.model, outcome.gpu, outcome.outcome) == ("llama", GpuId("gpu01", 3), "started")
    assert outcome.build == "vllm 0.9.2.dev364+gb432b7a28"
    assert outcome.measured["weights"] == round(15.3047 * GiB)
    assert outcome.measured["activations"] == round(14.63 * GiB)
    assert outcome.predicted["weights"] == PREDICTED.shares[0].weights_bytes
    assert outcome.seconds == 12.1 + 30.44
    assert outcome.alone


def test_a_refusal_keeps_its_sentence_and_has_no_duration() -> None:
    refused = replace(STARTUP, ending=Ending.REFUSED, sentence="No available memory for the cache blocks.")
    (outcome,) = outcomes(LLAMA, replace(START, startup=refused), PREDICTED)
    assert (outcome.outcome, outcome.sentence, outcome.seconds) == ("refused", refused.sentence, None)


def test_ranks_that_were_not_told_apart_have_measured_nothing_of_a_gpu() -> None:
    twice = replace(STARTUP, ranks=STARTUP.ranks * 2)
    (outcome,) = outcomes(LLAMA, replace(START, startup=twice), PREDICTED)
    assert outcome.measured == {}


def test_the_digest_of_arguments_does_not_depend_on_their_order() -> None:
    backwards = Arguments(reversed(list(LLAMA.args.items())))
    assert digest(backwards) == digest(LLAMA.args) == START.digest
    assert digest(LLAMA.args.replace("gpu-memory-utilization", 0.9)) != START.digest
