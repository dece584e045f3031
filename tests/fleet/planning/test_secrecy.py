"""Plans and journals hold no secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bench import Bench

from fleet.errors import GpudeckError
from fleet.inventory.changes import Move, Restart, SetArgument, sentence
from fleet.model import Place


async def test_an_overlay_that_holds_a_secret_is_neither_shown_nor_kept(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.units["a.service"].overlay = "[Service]\nEnvironment=HF_TOKEN=qwertz\n"
    with pytest.raises(GpudeckError, match=r"a: its overlay on gpu01 holds a secret \(HF_TOKEN\)") as refused:
        await bench.plan(Restart("a"))
    assert "qwertz" not in str(refused.value)


async def test_a_service_whose_commands_hold_a_secret_is_refused(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    commands = (("restart", "run --api-key qwertz {gpus}"), ("stop", "stop"), ("status", "status"))
    model = replace(bench.inventory.models[0], service="command:a", commands=commands)
    bench.inventory = replace(bench.inventory, models=(model,))
    with pytest.raises(GpudeckError, match="a: a command of its service holds a secret") as refused:
        await bench.plan(Move("a", Place.parse("gpu01/1")))
    assert "qwertz" not in str(refused.value)


async def test_what_a_host_says_goes_to_the_journal_without_its_secrets(bench: Bench) -> None:
    bench.add("a", "gpu01/0", 100)
    bench.host.refuses["a.service"] = "ValueError: 401 for HF_TOKEN=qwertz"
    result = await bench.run(Move("a", Place.parse("gpu01/1")))
    assert "401 for HF_TOKEN=***" in result.message
    assert b"qwertz" not in bench.path.read_bytes()


def test_a_change_of_a_secret_is_told_without_it() -> None:
    assert sentence(SetArgument("a", "api-key", "qwertz")) == "set api-key of a to ***"
