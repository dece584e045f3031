"""Whisper: published figures where there are some, else the model's shape."""

from __future__ import annotations

import pytest

from fleet.estimate import Estimate, Outcome
from fleet.estimate.measured import End
from fleet.estimate.room import Room
from fleet.estimate.whisper import REQUIRED_GB, SHAPES, Program, estimate, program_of, size_of, working_bytes
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Scalar
from fleet.units import GB, GiB, MiB

H100 = accelerator("H100")


def reckoned(source: str, others: int = 0, end: End = End.CENTRAL, **args: Scalar) -> Estimate:
    flags = Arguments({flag.replace("_", "-"): value for flag, value in args.items()})
    size = size_of(source)
    assert size is not None
    model = Model("speech", Engine("whisper"), source, args=flags)
    return estimate(model, size, Room(H100, (H100.total_bytes,), (others,), end))


@pytest.mark.parametrize(
    ("source", "args", "mib"),
    [
        ("Systran/faster-whisper-large-v2", {}, 4525),
        ("Systran/faster-whisper-large-v3", {"compute-type": "int8"}, 2926),
        ("KBLab/kb-whisper-large", {"batch-size": 8}, 6090),
        ("large-v2", {"batch-size": 8, "compute-type": "int8_float16"}, 4500),
        ("deepdml/faster-whisper-large-v3-turbo-ct2", {}, 2537),
        ("Systran/faster-distil-whisper-large-v3", {"compute-type": "int8"}, 1481),
        ("ggml-large-v2.bin", {}, 4127),
        ("large-v2.pt", {}, 4708),
        ("openai/whisper-large-v2", {}, 4960),
    ],
)
def test_published_figures_are_taken_as_they_are(source: str, args: dict[str, str | int], mib: int) -> None:
    model = Model("speech", Engine("whisper"), source, args=Arguments(args))
    found = estimate(model, size_of(source) or "", Room(H100, (H100.total_bytes,), (0,), End.CENTRAL))
    assert found.shares[0].total_bytes == pytest.approx(mib * MiB, abs=2)
    assert found.basis == "catalogue"


@pytest.mark.parametrize(("batch", "mib"), [(1, 4525), (8, 6090)])
def test_the_shape_gives_the_published_figures_of_large(batch: int, mib: int) -> None:
    context = 300 * MiB
    reckoned_bytes = 2 * 1_550_000_000 + context + working_bytes(SHAPES["large"], batch, 5, End.CENTRAL)
    assert reckoned_bytes == pytest.approx(mib * MiB, rel=0.03)


@pytest.mark.parametrize(("size", "mib"), [("turbo", 2537), ("distil-large", 2409)])
def test_the_shape_gives_the_published_figures_of_smaller_decoders(size: str, mib: int) -> None:
    shape = SHAPES[size]
    reckoned_bytes = 2 * shape.parameters + 300 * MiB + working_bytes(shape, 1, 5, End.CENTRAL)
    assert reckoned_bytes == pytest.approx(mib * MiB, rel=0.03)


@pytest.mark.parametrize("size", REQUIRED_GB)
def test_no_size_takes_more_than_its_card_asks_for(size: str) -> None:
    assert reckoned(size).shares[0].total_bytes <= 1.1 * REQUIRED_GB[size] * GB


def test_a_size_nobody_measured_is_reckoned_and_says_so() -> None:
    found = reckoned("Systran/faster-whisper-medium")
    assert found.basis == "modelled" and "Reckoned" in found.notes[0]
    assert found.shares[0].weights_bytes == 2 * 769_000_000


def test_openais_own_program_may_take_what_its_card_asks_for() -> None:
    assert reckoned("medium.pt", end=End.HIGH).shares[0].total_bytes == 5 * GB
    assert reckoned("medium.pt").shares[0].total_bytes < 4 * GB


def test_a_wider_beam_and_a_larger_batch_take_more() -> None:
    one, beam, batch = reckoned("medium"), reckoned("medium", beam_size=10), reckoned("medium", batch_size=16)
    cache = 4 * 24 * 1024
    assert beam.shares[0].total_bytes - one.shares[0].total_bytes == cache * 5 * 448
    assert batch.shares[0].total_bytes - one.shares[0].total_bytes == cache * 15 * 1500


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("openai/whisper-large-v3-turbo", "turbo"),
        ("distil-whisper/distil-large-v3", "distil-large"),
        ("KBLab/kb-whisper-small", "small"),
        ("/srv/models/ggml-base.en.bin", "base"),
        ("nb-whisper-database", None),
    ],
)
def test_the_size_is_read_from_the_name(source: str, size: str | None) -> None:
    assert size_of(source) == size


def test_the_program_is_read_from_the_kind_of_file() -> None:
    assert program_of("ggml-large-v2.bin") is Program.WHISPER_CPP
    assert program_of("/models/large-v2.pt") is Program.OPENAI
    assert program_of("openai/whisper-large-v3") is Program.TRANSFORMERS
    assert program_of("large-v3") is Program.FASTER_WHISPER


def test_with_too_little_room_it_runs_out() -> None:
    found = reckoned("large-v3", others=H100.total_bytes - 2 * GiB)
    assert found.outcome is Outcome.OOM and found.refusal is not None
    assert "out of memory" in found.refusal.sentence


def test_everything_stays_while_it_idles_and_it_says_what_happens_beside_others() -> None:
    found = reckoned("large-v3")
    assert found.shares[0].resident_bytes == found.shares[0].total_bytes
    assert any(note.startswith("Beside others") for note in found.notes)
