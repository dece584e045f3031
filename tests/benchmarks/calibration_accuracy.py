"""How much nearer a recorded start brings the estimate of the next one.

Pairs of starts that others published: what the first printed teaches the estimate of the second.
Run with ``python tests/benchmarks/calibration_accuracy.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fleet.calibration.reading import printed
from fleet.estimate.estimating import estimate
from fleet.estimate.measured import End
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, Model, Place, Version
from fleet.startup import Ending, ModelStart, RankStart, Startup
from fleet.units import GiB

PAIRS = Path(__file__).parents[1] / "fleet" / "calibration" / "recorded_pairs.yaml"
_PARTS = ("weights", "activations", "non_torch", "graphs", "cache")


def recorded(pair: dict[str, Any]) -> ModelStart:
    """The first start of a pair, as its log would have been read."""
    said = pair["first"]
    rank = RankStart("", **{part: printed(said[part], GiB) for part in _PARTS if part in said})
    ranks = (rank,) * pair.get("gpus", 1)
    startup = Startup("vllm", Ending.STARTED, str(pair["version"]), ranks, said.get("blocks"), said.get("tokens"))
    return ModelStart(startup, Arguments({**pair["args"], **said["args"]}), pair["model"], pair["gpu"])


def cache(pair: dict[str, Any], start: ModelStart | None, end: End = End.CENTRAL) -> float:
    """GiB of the second start's cache on each GPU, by an estimate that learned from that start or from none."""
    engine, place = Engine("vllm", Version(str(pair["version"]))), Place("gpu01", tuple(range(pair.get("gpus", 1))))
    args = Arguments({**pair["args"], **pair["second"]["args"]})
    model = Model("m", engine, pair["model"], place, args=args)
    return estimate(model, accelerator(pair["gpu"]), recorded=start, end=end).shares[0].kv_cache_bytes / GiB


def main() -> None:
    """Print the table, and the mean errors as a ratio."""
    print(f"{'cache of the second start, GiB':52} printed  modelled (spread)    learned (spread)")
    errors: list[tuple[float, float]] = []
    for pair in yaml.safe_load(PAIRS.read_text(encoding="utf-8")):
        said, start = pair["second"]["cache"], recorded(pair)
        off = [cache(pair, each) - said for each in (None, start)]
        spreads = [cache(pair, each, End.LOW) - cache(pair, each, End.HIGH) for each in (None, start)]
        errors.append((abs(off[0]), abs(off[1])))
        words = f"{pair['gpu']} {pair['version'][:7]} {pair['about']}"
        told = "   ".join(f"{error:+8.3f} ({spread:5.2f})" for error, spread in zip(off, spreads, strict=True))
        print(f"{words[:52]:52} {said:7.2f}  {told}")
    modelled, learned = (sum(each) / len(errors) for each in zip(*errors, strict=True))
    print(f"mean error {modelled:.3f} GiB modelled, {learned:.3f} GiB learned: {learned / modelled:.2f} of it")


if __name__ == "__main__":
    main()
