"""An estimate in words and columns, for the command line. Sizes in GiB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.estimating.subject import Subject
from console.origins import LEGEND, MARKS
from fleet.estimate import Estimate, GpuShare, Outcome
from fleet.estimate.filling import Filling
from fleet.estimate.fitting import Fit
from fleet.estimate.measured import End
from fleet.estimate.ways_out import WayOut
from fleet.units import count, gib, gib_text

_HEADINGS = ("GPU", "weights", "KV cache", "activations", "graphs", "context", "total", "low to high", "of")


def estimate_lines(subject: Subject, ways: Sequence[WayOut] = ()) -> Iterator[str]:
    """The whole answer about one model."""
    trial = subject.trial
    estimate, engine = trial.estimate(), trial.model.engine
    gpus = f"{len(subject.gpus)} x {trial.accelerator.name}"
    yield f"{estimate.model} on {gpus}, {engine}; sizes in GiB"
    yield ""
    yield from table(subject.gpus, trial.totals, estimate.shares)
    yield LEGEND
    yield ""
    yield from _cache(estimate)
    yield from _outcome(engine.name, estimate, subject.worst.estimate(End.HIGH))
    if ways:
        yield ""
        yield "ways out, each tried at the high end of the estimate:"
        yield from (f"  {way.summary}" for way in ways)
    for note in (*estimate.notes, *subject.notes):
        yield f"note: {note}"


def table(gpus: Sequence[str], totals: Sequence[int], shares: Sequence[GpuShare]) -> Iterator[str]:
    """One row a GPU under aligned headings, sizes in GiB."""
    rows = [_HEADINGS, *(_row(*each) for each in zip(gpus, totals, shares, strict=True))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))


def fit_lines(fit: Fit) -> Iterator[str]:
    """What one model can have on its GPUs at most, and needs at least."""
    at = f" at utilization {fit.share}" if fit.share is not None else ""
    length = f" of {count(fit.length)} tokens" if fit.length else ""
    yield "what fits here, tried at the high end of the estimate:"
    yield f"  longest context   {_known(fit.longest_length, ' tokens', at)}"
    if fit.share is not None:
        yield f"  most concurrency  {_known(fit.most_sequences, f' sequences{length}', at)}"
    if fit.smallest_share is not None:
        yield f"  smallest share    {fit.smallest_share} for sequences{length}"


def filling_lines(gpu: str, total: int, filling: Filling) -> Iterator[str]:
    """The shares of several models on one GPU, in the order to start them."""
    yield f"{len(filling.parts)} models on {gpu}, {gib_text(total)}; by the high end of the estimate"
    yield ""
    width = max(len(part.model) for part in filling.parts)
    for number, part in enumerate(filling.parts, 1):
        share = f"utilization {part.share:.3f}" if part.share is not None else "takes what it takes"
        held = gib(part.estimate.shares[0].high_bytes)
        said = _at_once(part.estimate) if part.starts else "does not start"
        yield f"{number}. {part.model:<{width}}  {share:<19}  {held:>6} GiB  {said}".rstrip()
    yield ""
    if filling.fits:
        yield f"{gib_text(filling.left_bytes)} stay free. Start them one at a time, in this order, each once the one"
        yield "before it serves: an engine that loads while another measures is charged to it."
    elif filling.left_bytes < 0:
        missing = gib_text(-filling.left_bytes)
        yield f"They do not fit: {missing} are missing, each with the smallest share it starts with."
    else:
        yield "They do not fit: not every one of them would start."


def _row(gpu: str, total: int, share: GpuShare) -> tuple[str, ...]:
    of = share.origins
    sizes = (
        (share.weights_bytes, of.weights),
        (share.kv_cache_bytes, of.kv_cache),
        (share.activations_bytes, of.activations),
        (share.graphs_bytes, of.graphs),
        (share.context_bytes, of.context),
        (share.total_bytes, of.total),
    )
    cells = (f"{gib(size)} {MARKS[origin]}" for size, origin in sizes)
    return gpu, *cells, f"{gib(share.low_bytes)} to {gib(share.high_bytes)}", gib(total)


def _cache(estimate: Estimate) -> Iterator[str]:
    if estimate.kv_cache_tokens is not None:
        yield f"KV cache        {count(estimate.kv_cache_tokens)} tokens"
    if estimate.max_concurrency is not None and estimate.max_model_len:
        length = count(estimate.max_model_len)
        yield f"concurrency     {estimate.max_concurrency:.2f} sequences of {length} tokens at once"
    if estimate.longest_length is not None:
        yield f"longest length  {count(estimate.longest_length)} tokens"


def _at_once(estimate: Estimate) -> str:
    if not estimate.kv_cache_tokens or estimate.max_concurrency is None or not estimate.max_model_len:
        return ""
    length = count(estimate.max_model_len)
    return f"{count(estimate.kv_cache_tokens)} KV tokens, {estimate.max_concurrency:.2f} x {length}"


def _outcome(engine: str, estimate: Estimate, worst: Estimate) -> Iterator[str]:
    said = estimate.refusal
    if said is None:
        yield "outcome         starts"
        said = worst.refusal
        if said:
            yield f"                but at the high end of the estimate {engine} says:"
    else:
        says = "refuses to start" if estimate.outcome is Outcome.REFUSED else "runs out of memory"
        yield f"outcome         {engine} {says}:"
    if said:
        yield said.sentence


def _known(number: int | None, unit: str, at: str) -> str:
    return "none" if number is None else f"{count(number)}{unit}{at}"
