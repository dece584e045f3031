"""How the smaller servers start: text-embeddings-inference, a Whisper server, Docling."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from fleet.simulator.engine import Api, Exit, Launch, Serving, Steps
from fleet.simulator.memory import OutOfMemory
from fleet.simulator.truths import PLAIN, PlainTruth
from fleet.simulator.vllm_says import out_of_memory

_IMPORT_SECONDS = 8.0
_STEPS = 5
_BATCH = 32


def start(launch: Launch) -> Steps:
    """One start of a server that loads its model and keeps what it took."""
    program = PurePosixPath(launch.argv[0]).name
    name = _model(launch.argv)
    router = program == "text-embeddings-router"
    _say(launch, router, f"Starting {program}")
    yield _IMPORT_SECONDS
    truth = PLAIN.get(name)
    if truth is None:
        launch.print(f"Error: could not find model {name}")
        raise Exit(1)
    if not launch.cards:
        launch.print("RuntimeError: No HIP GPUs are available")
        raise Exit(1)
    try:
        yield from _load(launch, router, name, truth)
    except OutOfMemory as error:
        launch.print("Traceback (most recent call last):")
        launch.print(f"torch.OutOfMemoryError: {out_of_memory(error, 0)}")
        if router:
            launch.print("Error: Could not start backend: Could not start Python backend")
        raise Exit(1) from error
    _say(
        launch,
        router,
        "Ready" if router else f"Uvicorn running on http://0.0.0.0:{launch.arguments.get('port')}",
    )
    return Serving(Api.PLAIN, name, truth.traffic, launch.cards[:1], _BATCH)


def _load(launch: Launch, router: bool, name: str, truth: PlainTruth) -> Generator[float, None, None]:
    card = launch.cards[0]
    launch.open(launch.pid, card)
    _say(launch, router, f"Loading {name}")
    size = launch.about(truth.memory, 0.01)
    for step in range(_STEPS):
        yield truth.load_seconds / _STEPS
        launch.memory.take(launch.pid, card, size * (step + 1) // _STEPS - size * step // _STEPS)
    if router:
        _say(launch, router, "Warming up model")
        yield 1.0


def _model(argv: tuple[str, ...]) -> str:
    known = [word for word in (*argv[1:], PurePosixPath(argv[0]).name) if word in PLAIN]
    return known[0] if known else argv[-1]


def _say(launch: Launch, router: bool, text: str) -> None:
    moment = datetime.fromtimestamp(launch.now(), UTC)
    if router:
        launch.print(f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}  INFO text_embeddings_router: router/src/lib.rs:210: {text}")
    else:
        launch.print(f"INFO:     {text}")
