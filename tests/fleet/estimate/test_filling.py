"""Several models on one GPU: the shares fill it, and every one of them starts beside the others."""

from __future__ import annotations

import pytest

from fleet.estimate.filling import Filling, fill
from fleet.estimate.measured import End
from fleet.estimate.trial import Trial, trial
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model
from fleet.units import GB, GiB

LLAMA_8B, LLAMA_70B = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
DEEPCODER = "agentica-org/DeepCoder-14B-Preview"
STEP = 0.001


def vllm(source: str, gpu: str, version: str, length: int = 32_768) -> Trial:
    args = Arguments({"max-model-len": length})
    return trial(Model(source, Engine.parse(f"vllm {version}"), source, args=args), accelerator(gpu))


def whisper(gpu: str) -> Trial:
    return trial(Model("whisper", Engine("whisper"), memory_bytes=round(1.5 * GB)), accelerator(gpu))


def pair(gpu: str, version: str) -> list[Trial]:
    return [vllm(LLAMA_8B, gpu, version), vllm(DEEPCODER, gpu, version)]


PAIRS = [pair("MI300X", "0.9.0"), pair("MI300X", "0.19.0"), pair("MI300X", "0.33.0"), pair("H100", "0.9.2")]


def beside(trials: list[Trial], filling: Filling, name: str) -> Trial:
    """One of the models with the share it was given, beside what the others hold at their highest."""
    shares = {part.model: part.share for part in filling.parts}
    given = {each.model.name: each.given({"gpu-memory-utilization": shares[each.model.name]}) for each in trials}
    others = [each.estimate(End.HIGH).shares[0].total_bytes for other, each in given.items() if other != name]
    return given[name].beside(sum(others))


@pytest.mark.parametrize("trials", PAIRS)
def test_every_model_starts_whichever_is_started_last(trials: list[Trial]) -> None:
    filling = fill(trials)
    assert filling.fits
    assert all(beside(trials, filling, each.model.name).starts() for each in trials)


@pytest.mark.parametrize("trials", PAIRS)
def test_what_stays_free_is_less_than_a_step_of_each_share(trials: list[Trial]) -> None:
    filling = fill(trials)
    assert 0 <= filling.left_bytes < (len(trials) + 1) * STEP * trials[0].totals[0]


def test_shares_that_fill_a_gpu_add_up_to_less_than_one() -> None:
    shares = [part.share or 0 for part in fill(pair("MI300X", "0.19.0")).parts]
    assert 0.9 < sum(shares) < 1


def test_engines_without_a_share_start_first_and_the_largest_share_next() -> None:
    filling = fill([*pair("MI300X", "0.19.0"), whisper("MI300X")])
    assert filling.parts[0].model == "whisper" and filling.parts[0].share is None
    shares = [part.share or 0 for part in filling.parts[1:]]
    assert shares == sorted(shares, reverse=True)


def test_where_an_engine_counts_its_neighbours_the_second_share_holds_the_first() -> None:
    filling = fill(pair("H100", "0.9.0"))
    first, second = (part.share or 0 for part in filling.parts)
    assert filling.fits and second > first and second > 0.9


def test_what_other_processes_hold_is_not_given_away() -> None:
    free = fill(pair("MI300X", "0.19.0"))
    taken = fill([each.beside(40 * GiB) for each in pair("MI300X", "0.19.0")])
    assert taken.fits
    assert sum(part.share or 0 for part in free.parts) - sum(part.share or 0 for part in taken.parts) > 0.2


def test_models_that_do_not_fit_are_told_how_much_is_missing() -> None:
    filling = fill([vllm(LLAMA_8B, "H100", "0.19.0"), vllm(LLAMA_70B, "H100", "0.19.0")])
    assert not filling.fits and filling.left_bytes < -50 * GiB
