"""Models are made smaller inside what their operators allow, and only where that lets something fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleet.estimate.measured import End
from fleet.findings.assess import assess
from fleet.findings.placement import place
from fleet.hardware import accelerator
from fleet.inventory import Host, Inventory
from fleet.inventory.changes import Change, Enable, Move, SetArgument, apply
from fleet.inventory.loading import load_text
from fleet.model import Arguments, Engine, Least, Model, Place
from fleet.planning.rebalance.fitting import rungs
from fleet.planning.rebalance.posing import trial_on
from fleet.planning.rebalance.rebalancing import Proposal, rebalance


def vllm(name: str, share: float, least: Least | None = None, *, enabled: bool = True) -> Model:
    return Model(
        name,
        Engine.parse("vllm 0.9.2"),
        source="meta-llama/Llama-3.1-8B-Instruct",
        place=Place("gpu01", (0,)) if enabled else None,
        service=f"systemd:{name}.service",
        args=Arguments({"gpu-memory-utilization": share, "max-model-len": 32768}),
        enabled=enabled,
        least=least,
    )


def fleet(*models: Model, gpus: int = 1) -> Inventory:
    return Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", gpus),), models)


def shares(proposal: Proposal) -> dict[str, float]:
    flag = "gpu-memory-utilization"
    return {c.model: float(str(c.value)) for c in proposal.changes if isinstance(c, SetArgument) and c.flag == flag}


def add(model: Model) -> tuple[Change, ...]:
    return (Enable(model.name),)


def test_a_model_is_made_smaller_where_that_makes_room_for_another() -> None:
    new = vllm("new", 0.4, enabled=False)
    before = fleet(vllm("large", 0.8, Least()), new)
    proposal = rebalance(before, add(new))
    assert proposal.unplaced == ()
    assert set(shares(proposal)) == {"large"}
    assert Move("large", Place("gpu01", (0,))) not in proposal.changes
    assert "large stays on gpu01/0 with gpu-memory-utilization" in proposal.reasons["large"]
    assert proposal.restarts == 1


def test_it_is_made_no_smaller_than_it_has_to_be() -> None:
    new = vllm("new", 0.4, enabled=False)
    proposal = rebalance(fleet(vllm("large", 0.8, Least()), new), add(new))
    assert 0.53 <= shares(proposal)["large"] <= 0.59


def test_two_that_are_made_smaller_share_what_is_left() -> None:
    new = vllm("new", 0.4, enabled=False)
    before = fleet(vllm("a", 0.48, Least()), vllm("b", 0.48, Least()), new)
    proposal = rebalance(before, add(new))
    assert proposal.unplaced == ()
    errors = [f for f in assess(apply(before, proposal.changes), with_fixes=False).findings if f.severity == "error"]
    assert not errors


def test_without_leave_no_argument_changes() -> None:
    new = vllm("new", 0.4, enabled=False)
    proposal = rebalance(fleet(vllm("large", 0.8), new), add(new))
    assert proposal.unplaced == ("new",)
    assert proposal.changes == ()


def test_a_model_stays_as_large_as_it_is_where_another_gpu_has_room() -> None:
    new = vllm("new", 0.4, enabled=False)
    proposal = rebalance(fleet(vllm("large", 0.8, Least()), new, gpus=2), add(new))
    assert shares(proposal) == {}
    assert Move("new", Place("gpu01", (1,))) in proposal.changes


def test_what_is_made_smaller_keeps_the_length_and_the_sequences_it_must() -> None:
    new = vllm("new", 0.4, enabled=False)
    before = fleet(vllm("large", 0.8, Least(length=16384, concurrency=30)), new)
    proposal = rebalance(before, add(new))
    assert SetArgument("large", "max-model-len", 16384) in proposal.changes
    after = place(apply(before, proposal.changes), totals={}, end=End.HIGH).estimates["large"]
    assert after.max_model_len == 16384
    assert (after.max_concurrency or 0) >= 30


def test_nothing_but_the_share_is_given_up_where_that_is_enough() -> None:
    new = vllm("new", 0.4, enabled=False)
    least = Least(length=16384, concurrency=8, sequences=16, kv_dtypes=("fp8",))
    proposal = rebalance(fleet(vllm("large", 0.8, least), new), add(new))
    assert [c.flag for c in proposal.changes if isinstance(c, SetArgument)] == ["gpu-memory-utilization"]


def test_the_cache_is_kept_smaller_before_the_length_is() -> None:
    new = vllm("new", 0.4, enabled=False)
    least = Least(length=16384, concurrency=30, kv_dtypes=("fp8",))
    proposal = rebalance(fleet(vllm("large", 0.8, least), new), add(new))
    assert SetArgument("large", "kv-cache-dtype", "fp8") in proposal.changes
    assert not [c for c in proposal.changes if isinstance(c, SetArgument) and c.flag == "max-model-len"]
    assert "kv-cache-dtype fp8" in proposal.reasons["large"]


def test_every_rung_takes_less_than_the_one_before_and_keeps_what_it_must() -> None:
    least = Least(length=8192, concurrency=12, sequences=16, kv_dtypes=("fp8",))
    alone = trial_on(vllm("large", 0.8, least), accelerator("MI300X"), accelerator("MI300X").total_bytes, None)
    found = rungs(alone)
    shares = [float(str(arguments["gpu-memory-utilization"])) for arguments in found]
    assert shares == sorted(set(shares), reverse=True) and shares[0] < 0.8
    assert "max-model-len" not in found[0] and found[-1]["max-model-len"] == 8192
    for arguments in found:
        reckoned = alone.given(arguments).estimate(End.HIGH)
        assert reckoned.refusal is None
        assert (reckoned.max_concurrency or 0) >= 12


def test_what_must_keep_too_much_is_not_made_smaller() -> None:
    new = vllm("new", 0.4, enabled=False)
    proposal = rebalance(fleet(vllm("large", 0.8, Least(concurrency=30)), new), add(new))
    assert proposal.unplaced == ("new",)


def test_a_new_model_may_come_smaller_than_it_is_written() -> None:
    new = vllm("new", 0.4, Least(), enabled=False)
    proposal = rebalance(fleet(vllm("large", 0.8), new), add(new))
    assert proposal.unplaced == ()
    assert set(shares(proposal)) == {"new"}
    assert proposal.restarts == 0


def test_a_pinned_model_is_not_made_smaller() -> None:
    new = vllm("new", 0.4, enabled=False)
    pinned = replace(vllm("large", 0.8, Least()), pinned=True)
    assert rebalance(fleet(pinned, new), add(new)).unplaced == ("new",)


def test_the_fleet_file_says_what_a_model_keeps() -> None:
    text = """\
fleet: test
hosts:
  gpu01: {address: ops@gpu01, accelerator: MI300X, gpus: 8}
models:
  a:
    source: meta-llama/Llama-3.1-8B-Instruct
    engine: vllm 0.9.2
    place: gpu01/0
    fit: {min-max-model-len: 16384, min-concurrency: 4, min-max-num-seqs: 32, kv-cache-dtypes: [fp8]}
  b:
    source: meta-llama/Llama-3.1-8B-Instruct
    engine: vllm 0.9.2
    place: gpu01/1
"""
    inventory = load_text(text, Path("fleet.yaml"))
    assert inventory.model("a").least == Least(16384, 4, 32, ("fp8",))
    assert inventory.model("b").least is None
