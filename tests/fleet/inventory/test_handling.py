"""How a fleet file says that a model is taken out of service and brought back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.inventory.loading import load_text
from fleet.inventory.problems import FleetFileError
from fleet.model import Handling

FLEET = """\
fleet: test
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 8}
models:
  a:
    source: Qwen/Qwen3-8B
    engine: vllm 0.9.2
    place: gpu01/0
    url: http://127.0.0.1:8001
"""
LINES = """\
    drain: curl -X POST {url}/drain
    drain-timeout: 90 s
    start-timeout: 20 min
    health: curl -sf {url}/health
    warmup: warm {model}
    router:
      add: router add {host} {port}
      remove: router rm {host} {port}
      reload: router reload
"""


def test_every_part_of_it_is_read() -> None:
    (model,) = load_text(FLEET + LINES, Path("fleet.yaml")).models
    assert model.handling == Handling(
        "curl -X POST {url}/drain", 90, "router rm {host} {port}", "router add {host} {port}", "router reload",
        "curl -sf {url}/health", "warm {model}", 1200,
    )  # fmt: skip
    assert load_text(FLEET, Path("fleet.yaml")).models[0].handling == Handling()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("add {host}", "add {hots}", 16, "router add of a: {hots} is neither"),
        ("    url: http://127.0.0.1:8001\n", "", 9, "drain of a: {url} has no value, as a has no url:."),
        ("90 s", "soon", 11, "'soon' is not a time span"),
        ("20 min", "0 s", 12, "'0 s' is not a time to wait"),
        ("      remove: router rm {host} {port}\n", "", 15, "needs remove: the command that takes it out"),
        ("reload: router", "relaod: router", 18, "router of a has no key 'relaod'; did you mean reload?"),
        ("warm {model}", '"{model}"', 14, "is not a command"),
    ],
)
def test_what_cannot_work_is_told_with_its_line(old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(FleetFileError) as refused:
        load_text((FLEET + LINES).replace(old, new), Path("fleet.yaml"))
    assert any(problem.line == line and said in problem.message for problem in refused.value.problems), refused.value
