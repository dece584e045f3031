"""Another checkpoint is offered where nothing less lets everything fit, with the need, and never else."""

from __future__ import annotations

from pathlib import Path

from fleet.findings import Severity
from fleet.findings.assess import assess
from fleet.inventory import Inventory
from fleet.inventory.changes import Enable, Serve, apply
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
    offer = rebalance(inventory, (Enable("new"),)).offer
    return offer.sentence if offer else ""


def test_the_offer_names_the_need_the_checkpoint_and_what_it_costs() -> None:
    said = offered(fleet(f", checkpoints: [{SMALL}]"))
    assert said.startswith(f"new has no place as things are; it would if large served {SMALL}")
    assert "with gpu-memory-utilization 0." in said
    assert "after 1 restart." in said


def test_what_is_offered_fits_when_it_is_staged_and_is_found_again_where_only_the_checkpoint_is_given() -> None:
    inventory = fleet(f", checkpoints: [{SMALL}]")
    offer = rebalance(inventory, (Enable("new"),)).offer
    assert offer
    assert offer.serves == (Serve("large", SMALL),)
    after = apply(inventory, offer.changes)
    assert after.model("new").enabled
    assert not [finding for finding in assess(after).findings if finding.severity is Severity.ERROR]
    again = rebalance(inventory, (Enable("new"), *offer.serves))
    assert (again.unplaced, again.changes, again.restarts) == ((), offer.changes, 1)


def test_nothing_is_offered_where_everything_fits_as_it_is() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}]", gpus=2))
    assert not offered(fleet(f", checkpoints: [{SMALL}]", share=0.4))


def test_nothing_is_offered_where_a_smaller_share_is_enough() -> None:
    inventory = fleet(f", checkpoints: [{SMALL}], fit: {{min-concurrency: 1}}", share=0.55)
    proposal = rebalance(inventory, (Enable("new"),))
    assert (proposal.unplaced, proposal.offer) == ((), None)


def test_nothing_is_offered_that_would_not_let_everything_fit() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}]", share=0.97))


def test_nothing_is_offered_of_a_pinned_model_or_of_a_checkpoint_nobody_knows() -> None:
    assert not offered(fleet(f", checkpoints: [{SMALL}], pin: true"))
    assert not offered(fleet(", checkpoints: [nobody/knows-this]"))
    assert not offered(fleet())
