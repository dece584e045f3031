"""A service that the target host does not have: made from a template, or refused with what to install."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench

from fleet.commands import Answer, Read, Reader
from fleet.errors import GpudeckError
from fleet.inventory import Host
from fleet.inventory.changes import Move
from fleet.model import Arguments, Place
from fleet.planning.plan import Action, Plan
from fleet.planning.planner import make_plan
from fleet.planning.world import read_world
from fleet.services import MissingServiceError

UNIT = """\
[Service]
Environment="HF_TOKEN=hf_secret" NAME=x
ExecStart=/opt/vllm/bin/vllm serve {source} --host ${BIND} {arguments}
"""
THERE = Move("llama", Place.parse("gpu02/2"))


class Empty:
    """A host without any unit."""

    async def read(self, command: Read, timeout: float = 0) -> Answer:
        return Answer(1, "", "No files found for llama.service.\n")


@pytest.fixture
def two_hosts(bench: Bench) -> Bench:
    bench.add("llama", "gpu01/0", 40)
    bench.host.units["llama.service"].own = UNIT.replace("{source}", "m").replace("{arguments}", "")
    model = replace(bench.inventory.model("llama"), source="org/Llama 3%", args=Arguments((("max-model-len", 8192),)))
    hosts = (*bench.inventory.hosts, Host("gpu02", "ops@gpu02", "MI300X", 4))
    bench.inventory = replace(bench.inventory, hosts=hosts, models=(model,))
    return bench


async def plan(bench: Bench) -> Plan:
    snapshot = bench.host.snapshots["gpu01"]
    assert snapshot.reading is not None
    there = replace(snapshot, host="gpu02", services={}, engines={}, reading=replace(snapshot.reading, processes=()))
    connections: dict[str, Reader] = {"gpu01": bench.host, "gpu02": Empty()}
    world = await read_world(bench.inventory, [THERE], connections, {"gpu01": snapshot, "gpu02": there})
    return make_plan(bench.inventory, [THERE], world)


async def test_it_is_made_from_the_template_and_then_overlaid(two_hosts: Bench, tmp_path: Path) -> None:
    template = tmp_path / "vllm.template"
    template.write_text(UNIT.replace('"HF_TOKEN=hf_secret" ', ""))
    model = replace(two_hosts.inventory.model("llama"), service_template=template)
    two_hosts.inventory = replace(two_hosts.inventory, models=(model,))
    (written,) = [step for step in (await plan(two_hosts)).steps if step.action is Action.WRITE]
    texts = [command.stdin.decode() for command in written.commands if command.stdin]
    assert 'ExecStart=/opt/vllm/bin/vllm serve "org/Llama 3%%" --host ${BIND} --max-model-len 8192' in texts[0]
    assert "ROCR_VISIBLE_DEVICES=GPU-0000000000000002" in texts[1]
    assert written.overlay == texts[1]
    lines = [command.line for command in written.commands]
    assert lines[2] == ("sudo -n -- mv -T /etc/systemd/system/llama.service.new /etc/systemd/system/llama.service")


async def test_without_one_the_plan_is_refused_with_the_definition_to_install(two_hosts: Bench) -> None:
    with pytest.raises(MissingServiceError, match=r"llama on gpu02: llama\.service cannot be read") as refused:
        await plan(two_hosts)
    assert "On gpu01 it is:" in refused.value.way_out
    assert "ExecStart=/opt/vllm/bin/vllm serve m" in refused.value.way_out
    assert "hf_secret" not in refused.value.way_out


@pytest.mark.parametrize(("text", "why"), [(None, "No such file"), (UNIT, "HF_TOKEN"), ("[Service]\n", "0 ExecStart")])
async def test_a_template_that_cannot_be_used_is_said(
    two_hosts: Bench, tmp_path: Path, text: str | None, why: str
) -> None:
    template = tmp_path / "vllm.template"
    if text is not None:
        template.write_text(text)
    model = replace(two_hosts.inventory.model("llama"), service_template=template)
    two_hosts.inventory = replace(two_hosts.inventory, models=(model,))
    with pytest.raises(GpudeckError, match=f"template cannot be used: .*{why}"):
        await plan(two_hosts)
