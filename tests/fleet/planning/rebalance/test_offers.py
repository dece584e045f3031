"""Another checkpoint is offered where nothing less lets everything fit, with the need, and never else."""

from __future__ import annotations

from pathlib import Path

from fleet.inventory import Inventory
from fleet.inventory.changes import Enable
from fleet.inventory.loading import load_text
from fleet.planning.rebalance.rebalancing import rebalance

SMALL = "gaunernst/gemma-3-27b-it-int4-awq"


def fleet(more: str = "", *, gpus: int = 1, share: float = 0.62) -> Inventory:
    """A model of 27 billion parameters on a GPU, and another that is to be enabled."""
    vllm = "engine: vllm 0.19.0, source: google/gemma-3-27b-it"
    return load_text(
        f"""\
fleet: test
hosts:
  gpu01: {{address: a, accelerator: MI300X, gpus: {gpus}}}
models:
  large: {{{vllm}, place: gpu01/0, service: systemd:large.service,
          args: {{gpu-memory-utilization: 0.45, max-model-len: 8192}}{more}}}
  new: {{{vllm}, enabled: false, service: systemd:new.service,
        args: {{gpu-memory-utilization: {share}, max-model-len: 8192}}}}
""",
        Path("fleet.yaml"),
    )


def offered(inventory: Inventory) -> str:
    return rebalance(inventory, (Enable("new"),)).offer


def test_the_offer_names_the_need_the_checkpoint_and_what_it_costs() -> None:
    said = offered(fleet(f", checkpoints: [{SMALL}]"))
    assert said.startswith(f"new has no place as things are; it would if large served {SMALL}")
    assert "with gpu-memory-utilization 0." in said
    assert "after 1 restart." in said


def test_nothing_is_offered_where_everything_fits_as_it_is() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}]", gpus=2))
    assert not offered(fleet(f", checkpoints: [{SMALL}]", share=0.4))


def test_nothing_is_offered_where_a_smaller_share_is_enough() -> None:
    inventory = fleet(f", checkpoints: [{SMALL}], fit: {{min-concurrency: 1}}", share=0.55)
    proposal = rebalance(inventory, (Enable("new"),))
    assert (proposal.unplaced, proposal.offer) == ((), "")


def test_nothing_is_offered_that_would_not_let_everything_fit() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}]", share=0.97))


def test_nothing_is_offered_of_a_pinned_model_or_of_a_checkpoint_nobody_knows() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}], pin: true"))
    assert not offered(fleet(", checkpoints: [nobody/knows-this]"))
    assert not offered(fleet())
