"""How near the estimator comes to recorded vLLM start-ups, beside the formulas people use instead.

Run with ``python tests/benchmarks/estimator_accuracy.py``; ``--tier AB`` scores more of the records, ``--worst 10``
lists the starts it is furthest from, ``--halves`` scores two halves of the sources apart. A source of many runs weighs
as much as a source of one.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fleet.architecture.catalogue import Catalogue
from fleet.architecture.parameters import parameters
from fleet.errors import UsageError
from fleet.estimate.batch import answer
from fleet.hardware import recognise
from fleet.units import GiB

STARTS = Path(__file__).with_name("data") / "vllm_starts.yaml"
Record = Mapping[str, Any]
Answer = Mapping[str, Any]
Estimator = Callable[[Record, Catalogue], Answer]

_MEASURES = {
    "weights": ("weights_gib",),
    "activations": ("activation_peak_gib",),
    "KV pool": ("available_kv_gib",),
    "KV tokens": ("kv_tokens", "kv_blocks"),
}
"""What is compared, and the fields that hold it; the first that was printed counts."""


@dataclass(frozen=True, slots=True)
class Miss:
    """How far one figure of one record is off, as a share of what was measured."""

    record: Record
    measure: str
    error: float
    weight: float


def load(tiers: str) -> list[Record]:
    """The recorded start-ups of those tiers."""
    with STARTS.open("rb") as file:
        records: list[Record] = yaml.load(file, Loader=yaml.CSafeLoader)
    return [record for record in records if record["tier"] in tiers]


def misses(records: Sequence[Record], answers: Sequence[Answer]) -> Iterator[Miss]:
    """Every figure that was printed, against what was estimated; none estimated is off by the whole."""
    runs = Counter(record["cluster"] for record in records)
    for record, said in zip(records, answers, strict=True):
        for measure, fields in _MEASURES.items():
            field = next((field for field in fields if (record.get(field) or 0) > 0), None)
            if field:
                value = said.get(field)
                error = 1.0 if value is None else abs(value / record[field] - 1)
                yield Miss(record, measure, error, 1 / runs[record["cluster"]])


def mean(found: Sequence[Miss]) -> float:
    """Weighted by source."""
    return sum(miss.error * miss.weight for miss in found) / sum(miss.weight for miss in found)


def quantile(found: Sequence[Miss], share: float) -> float:
    """The error that ``share`` of the weight stays within."""
    left = share * sum(miss.weight for miss in found)
    for miss in sorted(found, key=lambda each: each.error):
        left -= miss.weight
        if left <= 0:
            return miss.error
    raise ValueError("no figures to compare")


def outcomes(records: Sequence[Record], answers: Sequence[Answer]) -> tuple[float, float | None]:
    """How often it was right about starting or failing, and how many failures it foretold."""
    runs = Counter(record["cluster"] for record in records)
    right = total = foretold = failures = 0.0
    for record, said in zip(records, answers, strict=True):
        if record["outcome"] not in ("started", "refused", "oom"):
            continue
        weight, started = 1 / runs[record["cluster"]], record["outcome"] == "started"
        agreed = (said.get("outcome") == "started") is started
        total, right = total + weight, right + weight * agreed
        if not started:
            failures, foretold = failures + weight, foretold + weight * agreed
    return right / total, foretold / failures if failures else None


def rule_of_thumb(record: Record, catalogue: Catalogue) -> Answer:
    """Parameters x 2 bytes x 1.2 over the GPUs, a cache of what is left, every layer in full attention."""
    try:
        known = catalogue.find(record["model"])
    except UsageError:
        known = None
    total = record.get("gpu_total_gib")
    gpu = recognise(record["gpu"], round(total * GiB) if total else None)
    if known is None or gpu is None:
        return {}
    ranks = (record.get("tensor_parallel_size") or 1) * (record.get("pipeline_parallel_size") or 1)
    weights = 2 * parameters(known) / ranks
    pool = gpu.total_bytes * (record.get("gpu_memory_utilization") or 0.9) - 1.2 * weights
    token = 2 * known.layers * known.kv_heads * known.head_dim * 2 / ranks
    tokens = max(0, int(pool / token)) if token else 0
    return {
        "weights_gib": weights / GiB,
        "activation_peak_gib": 0.2 * weights / GiB,
        "available_kv_gib": pool / GiB,
        "kv_tokens": tokens,
        "kv_blocks": tokens // 16,
        "outcome": "started",
    }


def report(title: str, records: Sequence[Record], estimator: Estimator, catalogue: Catalogue) -> list[Miss]:
    """Print one estimator's scores over those records."""
    answers = [estimator(record, catalogue) for record in records]
    found = list(misses(records, answers))
    print(f"\n{title}: {len(records)} starts of {len({record['cluster'] for record in records})} sources")
    for measure in _MEASURES:
        these = [miss for miss in found if miss.measure == measure]
        if these:
            scores = f"mean {mean(these):7.2%}   median {quantile(these, 0.5):7.2%}   p90 {quantile(these, 0.9):7.2%}"
            print(f"  {measure:<12} {scores}   of {len(these)}")
    right, foretold = outcomes(records, answers)
    print(f"  outcome      right {right:.1%}" + (f", failures foretold {foretold:.1%}" if foretold is not None else ""))
    return found


def by(title: str, found: Sequence[Miss], key: Callable[[Record], str]) -> None:
    """Print the mean error of each measure for each kind of record."""
    kinds: dict[str, list[Miss]] = defaultdict(list)
    for miss in found:
        kinds[key(miss.record)].append(miss)
    print(f"\n{title:<24}" + "".join(f"{measure:>13}" for measure in _MEASURES))
    for kind, these in sorted(kinds.items(), key=lambda item: -len(item[1])):
        cells = []
        for measure in _MEASURES:
            figures = [miss for miss in these if miss.measure == measure]
            cells.append(f"{mean(figures):>13.2%}" if figures else f"{'-':>13}")
        print(f"  {kind[:21]:<22}" + "".join(cells))


def gpu_family(record: Record) -> str:
    """The kind of GPU as people group them."""
    gpu = recognise(record["gpu"])
    return gpu.name.split("-")[0] if gpu and len(gpu.name) < 16 else "not named"


def era(record: Record) -> str:
    """Engine generation and version, as far as it was told."""
    version = str(record.get("vllm_version") or "version not told").split(" (")[0]
    return f"{record['engine']} {version.split('+')[0][:16]}"


def model_family(record: Record) -> str:
    """The model's maker and line."""
    return str(record["model"]).rpartition("/")[2].split("-")[0].lower()[:18]


def in_first_half(record: Record) -> bool:
    """Which half its source is in, by the digest of its name: how much the scores owe to which sources were found."""
    return hashlib.sha256(record["cluster"].encode()).digest()[0] % 2 == 0


def main() -> None:
    """Print every score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tier", default="A", help="which records: A, AB or ABC")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N starts furthest off")
    parser.add_argument("--halves", action="store_true", help="score the two halves of the sources apart")
    options = parser.parse_args()
    records, catalogue = load(options.tier), Catalogue()
    found = report("gpudeck", records, answer, catalogue)
    report("parameters x 2 x 1.2, full attention", records, rule_of_thumb, catalogue)
    if options.halves:
        report("gpudeck, one half", [each for each in records if in_first_half(each)], answer, catalogue)
        report("gpudeck, the other half", [each for each in records if not in_first_half(each)], answer, catalogue)
    by("mean error by GPU", found, gpu_family)
    by("by era", found, era)
    by("by model", found, model_family)
    if options.worst:
        print()
        for miss in sorted(found, key=lambda each: -each.error)[: options.worst]:
            print(f"  {miss.error:8.1%}  {miss.measure:<12} {miss.record['id']}")


if __name__ == "__main__":
    main()
