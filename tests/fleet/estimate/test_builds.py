"""Builds named in words belong to the release they behave like."""

from __future__ import annotations

import pytest

from fleet.estimate.vllm.builds import likely_release, release_of


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("0.19.1", "0.19.1"),
        ("v0.9.0", "0.9.0"),
        ("0.22", "0.22.0"),
        ("0.9.0.1", "0.9.0"),
        ("0.28.0 (torch 2.12.1+rocm7.2)", "0.28.0"),
        ("~0.5.5 (vLLM main Aug 2024, ROCm 6.2)", "0.5.5"),
        ("main 73c8d67 (~0.4.1)", "0.4.1"),
        ("0.6.4.dev9+g5d264f4a", "0.6.3"),  # nine commits after 0.6.3.post1
        ("0.8.5.dev169+gce17db808", "0.8.5"),
        ("0.26.1rc1.dev608+g99a10304d", "0.27.0"),  # 608 commits after 0.26.0
        ("0.15.2rc1.dev93+g11a4c9d30", "0.15.1"),
        ("nightly 1acd67a7 (2026-05-10)", "0.21.0"),  # released four days later
        ("ROCm vLLM image, Sept 2026", "0.30.0"),
        ("community image 2026-05", "0.21.0"),
    ],
)
def test_a_build_behaves_like_a_release(text: str, release: str) -> None:
    found = release_of(text)
    assert found is not None and str(found) == release


@pytest.mark.parametrize("text", [None, "", "dev424 + patches", "same image", "vllm-gfx906"])
def test_a_build_that_tells_nothing_belongs_to_none(text: str | None) -> None:
    assert release_of(text) is None


def test_without_a_version_a_new_model_runs_on_a_version_that_serves_it() -> None:
    assert likely_release("openai/gpt-oss-20b", True) < likely_release("Qwen/Qwen3.5-27B", True)
    assert likely_release("meta-llama/Llama-2-7b-hf", False).release < (0, 9, 0)
