"""LIVE010: a model that failed or is started again and again is told of, with the engine's own reason."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from fleet.findings import Finding, Severity
from fleet.findings.assess import assess
from fleet.inventory import Host, Inventory
from fleet.live.down import find
from fleet.model import Arguments, Engine, Model, Place
from fleet.readings import EngineReading, EngineWord, HostReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.startup import Ending, ModelStart, Startup
from fleet.state import FleetState
from fleet.state.joining import join

OURS = Model("llama", Engine.parse("vllm 0.9.0"), place=Place("gpu01", (0,)), service="systemd:llama.service")
INVENTORY = Inventory("test", (Host("gpu01", "ops@gpu01", "MI300X", 1),), (OURS,))
REFUSAL = "No available memory for the cache blocks."


def state(service: ServiceReading, *, sentence: str = "", engine: EngineReading | None = None) -> FleetState:
    """The fleet once its only model's manager said that, and where there is a sentence, its newest start that."""
    start = ModelStart(Startup("vllm", Ending.REFUSED, sentence=sentence), Arguments(()), "", "MI300X")
    seen = HostSnapshot(
        "gpu01",
        Link.LIVE,
        read_at=1.0,
        reading=HostReading("boot", 1, 10.0, (), ()),
        services=MappingProxyType({"llama": service}),
        engines=MappingProxyType({"llama": engine} if engine else {}),
        failures=MappingProxyType({"llama": start} if sentence else {}),
    )
    return join(assess(INVENTORY), {"gpu01": seen}, 1.0)


def told(service: ServiceReading, *, sentence: str = "", engine: EngineReading | None = None) -> Finding:
    (finding,) = find(state(service, sentence=sentence, engine=engine))
    assert (finding.code, finding.model) == ("LIVE010", "llama")
    return finding


def test_a_model_that_failed_is_an_error_in_the_engines_words() -> None:
    finding = told(ServiceReading(ServiceWord.FAILED, result="exit-code"), sentence=REFUSAL)
    assert (finding.severity, finding.message) == (Severity.ERROR, f"llama failed: {REFUSAL}")


def test_where_the_engine_gave_no_reason_the_manager_is_quoted() -> None:
    finding = told(ServiceReading(ServiceWord.FAILED, result="oom-kill"))
    assert finding.message == "llama failed: it ended with oom-kill, and its log may say why."
    finding = told(ServiceReading(ServiceWord.ACTIVE), engine=EngineReading(word=EngineWord.DEAD))
    assert finding.message == "llama failed: its log may say why."


def test_one_that_is_started_again_after_its_start_failed_is_an_error_though_it_is_starting() -> None:
    finding = told(ServiceReading(ServiceWord.STARTING, restarts=7), sentence=REFUSAL)
    assert (finding.severity, dict(finding.numbers)) == (Severity.ERROR, {"restarts": 7})
    assert finding.headline == f"ended by itself and is being started again: {REFUSAL}"


def test_one_that_ended_once_for_no_known_reason_and_comes_up_is_a_warning() -> None:
    assert told(ServiceReading(ServiceWord.ACTIVE, restarts=1)).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("service", "engine"),
    [
        (ServiceReading(ServiceWord.STARTING), None),
        (ServiceReading(ServiceWord.STOPPED), None),
        (ServiceReading(ServiceWord.ACTIVE, restarts=3), EngineReading(healthy=True)),
    ],
)
def test_a_start_by_hand_a_stop_and_a_model_that_came_up_again_are_no_fault(
    service: ServiceReading, engine: EngineReading | None
) -> None:
    assert not list(find(state(service, sentence=REFUSAL, engine=engine)))
