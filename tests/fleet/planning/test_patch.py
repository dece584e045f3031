"""Services managed from a repository are changed there, by a diff."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench

from fleet.errors import GpudeckError
from fleet.inventory.changes import Change, Move, Restart, Serve, SetArgument
from fleet.model import Arguments, Place
from fleet.planning.patch import patch_of
from fleet.planning.world import read_world

UNIT = """\
[Service]
# why GPU 3: it is the quiet one
Environment=HIP_VISIBLE_DEVICES=3
ExecStart=/opt/vllm/bin/vllm serve m \\
    --max_model_len=8192 --gpu-memory-utilization 0.5
"""
VARIABLES = 'llama:\n  max_model_len: 8192\n  env: {ROCR_VISIBLE_DEVICES: "3"}'
MOVE = Move("llama", Place.parse("gpu01/2"))
LONGER = SetArgument("llama", "max-model-len", 16384)


@pytest.fixture
def managed(bench: Bench) -> Bench:
    bench.add("llama", "gpu01/3", 40)
    bench.add("qwen", "gpu01/1", 40)
    bench.host.units["llama.service"].own = UNIT
    model = replace(
        bench.inventory.model("llama"),
        managed="roles/llama.service",
        args=Arguments((("max-model-len", 8192), ("gpu-memory-utilization", 0.5))),
    )
    bench.inventory = replace(bench.inventory, models=(model, bench.inventory.model("qwen")))
    return bench


async def patch(bench: Bench, text: str, *changes: Change) -> tuple[str, tuple[str, ...]]:
    world = await read_world(bench.inventory, changes, {"gpu01": bench.host}, bench.host.snapshots)
    return patch_of(bench.inventory, changes, world, lambda path: text)


async def test_a_checkpoint_is_changed_where_it_is_said_once(managed: Bench) -> None:
    source = replace(managed.inventory.model("llama"), source="a/big")
    managed.inventory = replace(managed.inventory, models=(source, managed.inventory.model("qwen")))
    text, _ = await patch(managed, "source: a/big\nkeep: a/big-2\n", Serve("llama", "b/small"))
    assert [line for line in text.splitlines()[2:] if line[:1] in "+-"] == ["-source: a/big", "+source: b/small"]
    with pytest.raises(GpudeckError, match="does not say its source a/big in exactly one place"):
        await patch(managed, "source: a/big # a/big\n", Serve("llama", "b/small"))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    ("text", "after"),
    [
        (
            UNIT,
            UNIT.replace("8192", "16384").replace("HIP_VISIBLE_DEVICES=3", "ROCR_VISIBLE_DEVICES=GPU-0000000000000002"),
        ),
        (VARIABLES, VARIABLES.replace("8192", "16384").replace('"3"', '"GPU-0000000000000002"')),
    ],
)
async def test_git_applies_what_is_printed(managed: Bench, tmp_path: Path, text: str, after: str) -> None:
    file = tmp_path / "roles" / "llama.service"
    file.parent.mkdir()
    file.write_text(text)
    printed, left = await patch(managed, text, MOVE, LONGER)
    await asyncio.to_thread(subprocess.run, ["git", "apply"], input=printed, text=True, cwd=tmp_path, check=True)
    assert file.read_text() == after
    assert left == ()


async def test_a_value_that_is_not_said_once_is_left_to_the_operator(managed: Bench) -> None:
    with pytest.raises(GpudeckError, match=r"does not say --max-model-len 8192 in exactly one place"):
        await patch(managed, UNIT + "# was --max-model-len 8192\n", LONGER)
    with pytest.raises(GpudeckError, match="does not say ROCR_VISIBLE_DEVICES"):
        await patch(managed, "[Service]\n", MOVE)


async def test_what_is_no_change_of_a_file_is_said(managed: Bench) -> None:
    printed, left = await patch(managed, UNIT, Restart("llama"), Move("qwen", Place.parse("gpu01/0")))
    assert printed == ""
    assert [sentence.split()[0] for sentence in left] == ["llama", "qwen"]


async def test_a_managed_service_is_restarted_but_never_changed(managed: Bench) -> None:
    assert (await managed.plan(Restart("llama"))).steps
    with pytest.raises(GpudeckError, match=r"managed from roles/llama\.service") as refused:
        await managed.plan(MOVE)
    assert "plan --format patch" in refused.value.way_out
