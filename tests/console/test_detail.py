"""A GPU in detail: where each number comes from, links, arguments that last worked, starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest
from piloting import press
from recorded_demo import RecordedSession, recorded_snapshot
from rewound import NOON
from svg_text import svg_text

from console.app import GpudeckApp
from console.detail.links import link_facts, link_words, model_path
from console.detail.rows import detail_rows
from console.history.recording import path_of
from console.origins import MARKS
from fleet.history.values import Start
from fleet.history.writer import Writer
from fleet.inventory.changes import SetArgument, apply
from fleet.model import Arguments, GpuId
from fleet.readings import GpuLink, HostReading, LinkKind, ServiceReading, ServiceWord
from fleet.startup import Ending, ModelStart, Startup

LLAMA = "llama-3.1-8b"
FIRST = GpuId("gpu01", 0)
XGMI = GpuLink("", LinkKind.XGMI, 15, 1, 50_000_000_000)
PCIE = GpuLink("", LinkKind.PCIE, 72)


def linked(reading: HostReading, apart: frozenset[int] = frozenset()) -> HostReading:
    """All GPUs one hop apart, but those through the host."""
    pci = {gpu.identity.hip_index: gpu.identity.pci for gpu in reading.gpus}

    def links(index: int) -> tuple[GpuLink, ...]:
        return tuple(
            replace(PCIE if {index, other} & apart else XGMI, to=address)
            for other, address in pci.items()
            if other != index
        )

    return replace(reading, gpus=tuple(replace(gpu, links=links(gpu.identity.hip_index)) for gpu in reading.gpus))


def healthy(**args: float) -> ModelStart:
    given = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    return ModelStart(
        Startup("vllm", Ending.STARTED, build="0.9.0"), given, "meta-llama/Llama-3.1-8B-Instruct", "MI300X"
    )


def text_of(session: RecordedSession, llama: ModelStart | None = None) -> str:
    starts = {"llama-3.1-8b": llama} if llama else {}
    rows = detail_rows(session.state().gpu(FIRST), recorded_snapshot().reading, 160, healthy=starts)
    return "\n".join("".join(span.text for span in row) for row in rows)


def test_every_figure_of_the_memory_table_says_where_it_comes_from(session: RecordedSession) -> None:
    lines = text_of(session).splitlines()
    begin = next(number for number, line in enumerate(lines) if "Where each byte goes" in line) + 2
    for line in lines[begin : lines.index("", begin)]:
        figures = [word for word in line[24:].split() if word.replace(".", "").isdigit()]
        assert len(figures) == sum(line.count(mark) for mark in MARKS.values())


def test_a_gpu_names_the_others_by_how_it_reaches_them() -> None:
    reading = recorded_snapshot().reading
    assert reading
    apart = linked(reading, apart=frozenset({7}))
    assert link_facts(apart.gpus[0], apart) == [
        ("link to HIP", "1, 2, 3, 4, 5, 6: xGMI, 1 hop, 50 GB/s each way, weight 15"),
        ("link to HIP", "7: PCIe, weight 72"),
    ]
    assert link_facts(reading.gpus[0], replace(reading, gpus=())) == []


def test_a_model_over_several_gpus_tells_its_worst_link(session: RecordedSession) -> None:
    reading = recorded_snapshot().reading
    assert reading
    model = session.inventory.model("mai-ds-r1")
    assert model_path(model, linked(reading)) == f"its GPUs reach each other by {link_words(XGMI)}"
    assert model_path(model, linked(reading, frozenset({6}))).startswith(
        "its GPUs 4 and 6 are the furthest apart: PCIe"
    )
    assert model_path(session.inventory.model("llama-3.1-8b"), linked(reading)) == ""
    assert model_path(model, replace(reading, gpus=tuple(replace(gpu, links=()) for gpu in reading.gpus))) == ""


def test_the_arguments_that_last_worked_stand_against_the_present_ones(session: RecordedSession) -> None:
    worked = healthy(gpu_memory_utilization=0.5)
    assert "its last healthy start had the same" in text_of(session, llama=worked)
    session.adopt(apply(session.inventory, [SetArgument("llama-3.1-8b", "gpu-memory-utilization", 0.6)]))
    text = text_of(session, llama=worked)
    assert "- gpu-memory-utilization 0.6   fleet file" in text
    assert "+ gpu-memory-utilization 0.5   last healthy start" in text


async def test_a_model_that_failed_shows_what_it_last_came_up_with(
    console_app: GpudeckApp, session: RecordedSession
) -> None:
    snapshot = recorded_snapshot()
    services = {**snapshot.services, "llama-3.1-8b": ServiceReading(ServiceWord.FAILED, invocation="new")}
    starts = {"llama-3.1-8b": replace(healthy(gpu_memory_utilization=0.4), invocation="old")}
    session.board.publish(
        replace(snapshot, services=MappingProxyType(services), starts=MappingProxyType(starts), read_at=1001.0)
    )
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "+ gpu-memory-utilization 0.4   last healthy start" in await press(pilot, "1", "z")


async def test_the_starts_of_its_models_are_told_with_how_long_they_took(
    console_app: GpudeckApp, session: RecordedSession, utc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.screens.recorded.time.time", lambda: NOON)
    writer = Writer(path_of(session), clock=lambda: NOON)
    for at, run, share, outcome, alone, seconds in (
        (NOON - 9000, "a", 0.4, "started", False, 31),
        (NOON - 600, "b", 0.5, "refused", True, None),
        (NOON - 60, "c", 0.5, "started", True, 42),
    ):
        given = {"gpu-memory-utilization": share, "port": 8001}
        sentence = "no room" if outcome == "refused" else ""
        writer.add(
            Start(
                at, run, "llama-3.1-8b", "gpu01/0", "vllm 0.9.0", "0", {}, {}, outcome, sentence, alone, seconds, given
            )
        )
    writer.flush()
    writer.close()
    async with console_app.run_test(size=(160, 90)) as pilot:
        lines = (await press(pilot, "1", "z")).splitlines()
        first = next(number for number, line in enumerate(lines) if "starts    01-15" in line)
        assert lines[first].strip() == "starts    01-15 07:59 started in 42 s, vllm 0.9.0"
        assert lines[first + 1].strip() == "01-15 07:50 refused, vllm 0.9.0: no room"
        assert (
            lines[first + 2].strip() == "01-15 05:30 started in 31 s, vllm 0.9.0, gpu-memory-utilization 0.4, not alone"
        )


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20)])
async def test_notes_and_arguments_are_wrapped_never_cut(
    console_app: GpudeckApp, session: RecordedSession, size: tuple[int, int]
) -> None:
    long = " ".join(f"word{number}" for number in range(40))
    models = tuple(
        replace(model, note=long) if model.name == "llama-3.1-8b" else model for model in session.inventory.models
    )
    session.adopt(replace(session.inventory, models=models))
    async with console_app.run_test(size=(size[0], 120)) as pilot:
        await press(pilot, "1", "z")
        text = svg_text(pilot.app.export_screenshot())
        assert "word39" in text
        assert max(map(len, text.splitlines())) <= size[0]


async def test_keys_are_about_the_model_the_cursor_was_on(console_app: GpudeckApp) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "systemd:whisper.service on gpu01" in await press(pilot, "down", "z", "l")
        assert "Where each byte goes" in await press(pilot, "escape")
        assert (await press(pilot, "C")).splitlines()[1].split() == ["kb-whisper-large", "llama-3.1-8b"]


async def test_in_the_past_there_are_no_logs(console_app: GpudeckApp, past: Callable[[int], None]) -> None:
    async with console_app.run_test(size=(160, 48)) as pilot:
        assert "logs tell of now" in await press(pilot, "left_curly_bracket", "z", "l")


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("cells", [56, 76, 116, 156])
def test_no_row_is_wider_than_the_screen(session: RecordedSession, index: int, cells: int) -> None:
    reading = recorded_snapshot().reading
    assert reading
    linked_reading = linked(reading, frozenset({3}))
    for row in detail_rows(session.state().gpu(GpuId("gpu01", index)), linked_reading, cells):
        assert sum(len(span.text) for span in row) <= cells, row
