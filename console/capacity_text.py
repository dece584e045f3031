"""What there is room for as tables and bars of plain ASCII: they say the same without colour, in any terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from console.changing.rebalancing import proposal_lines
from fleet.findings.assessment import GpuOutlook
from fleet.hardware import SERVER_GPUS
from fleet.inventory.changes import Move
from fleet.model import GpuId
from fleet.planning.capacity.answer import Addition, Capacity
from fleet.planning.capacity.buying import Offer
from fleet.planning.capacity.spots import Spot, copy_of
from fleet.planning.carry import Fit, nearest_miss
from fleet.planning.rebalance.rebalancing import Proposal
from fleet.units import TB, count, gib, gib_text

HELD, ADDED, FREE, OVER = "#+.!"
_BAR = 32
"""Cells of a bar."""
_ROWS = 16
"""Places shown at most, of a larger fleet those with most room."""
_WIDTH = 100


def capacity_lines(found: Capacity) -> Iterator[str]:
    """The fleet's room, then each model, then all of them together."""
    outlooks = found.now.outlooks
    total = sum(outlook.total_bytes for outlook in outlooks.values())
    free = sum(map(_free, outlooks.values()))
    room = f"{gib(free)} of {gib_text(total)} free"
    yield f"{found.now.inventory.fleet}: {_many(len(outlooks), 'GPU')}, {room} by the estimates at their peak"
    yield f"  {HELD} held  {ADDED} the model  {FREE} free  {OVER} more than there is"
    if not found.additions:
        yield ""
        yield from _room(outlooks)
    for added in found.additions:
        yield ""
        yield from _addition(added, outlooks)
    if found.together:
        yield ""
        yield "all that fit alone, at once"
        yield from _indented(proposal_lines(found.together))


def _room(outlooks: Mapping[GpuId, GpuOutlook]) -> Iterator[str]:
    order = sorted(outlooks, key=lambda gpu: -_free(outlooks[gpu])) if len(outlooks) > _ROWS else list(outlooks)
    width = max(len(str(gpu)) for gpu in order)
    for gpu in order[:_ROWS]:
        yield f"  {gpu!s:<{width}}  {memory_bar(outlooks[gpu], 0)}  {gib(_free(outlooks[gpu])):>6} GiB free"
    yield from _left_out(len(order))


def _addition(added: Addition, outlooks: Mapping[GpuId, GpuOutlook]) -> Iterator[str]:
    model, alone = added.model, added.alone
    sizes = [share.total_bytes for share in alone.shares]
    held = f", {gib_text(max(sizes))}{' each' if len(sizes) > 1 else ''}" if any(sizes) else ""
    args = "".join(f" {flag}={value}" for flag, value in model.args.items())
    yield f"{model.name}  {model.engine}{args}: {_many(len(sizes), 'GPU')}{held}"
    if alone.refusal:
        yield from _indented([f"does not start even on empty {added.accelerator}: {alone.refusal.sentence}"])
        yield from (f"    try {way.summary}" for way in added.ways_out)
    elif not added.spots:
        largest = max(Counter(gpu.host for gpu in outlooks).values())
        yield from _indented([f"no host has {_many(len(sizes), 'GPU')}; the largest has {largest}."])
    else:
        yield from _places(added.spots, max(sizes, default=0), outlooks)
        yield from _indented(_answer(added))
    if added.offers:
        yield ""
        yield from offer_lines(added.offers, alone.max_model_len)


def _places(spots: Sequence[Spot], size: int, outlooks: Mapping[GpuId, GpuOutlook]) -> Iterator[str]:
    def tightest(spot: Spot) -> GpuOutlook:
        return min((outlooks[gpu] for gpu in spot.place.gpu_ids), key=_free)

    order = sorted(spots, key=lambda spot: -_free(tightest(spot))) if len(spots) > _ROWS else spots
    width = max((len(str(spot.place)) for spot in order), default=0)
    for spot in order[:_ROWS]:
        yield f"  {spot.place!s:<{width}}  {memory_bar(tightest(spot), size)}  {_verdict(spot)}"
    yield from _left_out(len(spots))


def _left_out(rows: int) -> Iterator[str]:
    if rows > _ROWS:
        yield f"  and {count(rows - _ROWS)} more with less room"


def memory_bar(outlook: GpuOutlook, added: int) -> str:
    """A GPU's memory in `_BAR` cells: held, added, free; with what is too much behind its end."""
    cell = outlook.total_bytes / _BAR
    held = round(outlook.peak_bytes / cell)
    upto = max(round((outlook.peak_bytes + added) / cell), held + (1 if added else 0))
    over = max(0, upto - _BAR)
    bar = HELD * min(held, _BAR) + ADDED * (min(upto, _BAR) - min(held, _BAR))
    return f"[{bar:{FREE}<{_BAR}}]{OVER * min(over, 9):<9}".rstrip() if over else f"[{bar:{FREE}<{_BAR}}]"


def _verdict(spot: Spot) -> str:
    verdict = spot.verdict
    match verdict.fit:
        case Fit.FITS:
            said = f"fits, {gib(verdict.size_bytes)} GiB stay free"
        case Fit.TIGHT:
            said = f"tight, {gib(verdict.size_bytes)} GiB stay free at rest"
        case Fit.SHORT:
            said = f"{gib(verdict.size_bytes)} GiB short"
        case _:
            said = str(verdict.fit)
    return said + (f"; {spot.copies} copies" if spot.copies > 1 else "")


def _answer(added: Addition) -> Iterator[str]:
    best, most = added.best, added.most
    if best:
        yield f"now: {_many(added.copies_now, 'copy')}; most room is left on {best.place}."
        yield from (f"  there: {finding.code} {finding.message}" for finding in added.findings)
    else:
        miss = nearest_miss({spot.place.gpu_ids[0]: spot.verdict for spot in added.spots})
        least = f"; least is missing on {miss[0]}: {gib_text(miss[1])}" if miss else ""
        yield f"now: it fits nowhere{least}."
    if added.proposal:
        first, *reasons = proposal_lines(added.proposal)
        yield f"after a rebalance it fits: {first}"
        yield from reasons
    if most.proposal and most.copies > max(1, added.copies_now):
        yield f"after a rebalance {_many(most.copies, 'copy')}: {most.proposal.summary}"
        yield from _whole(added, most.proposal)
    elif most.copies:
        yield f"no rebalance was found that makes room for more than {_many(most.copies, 'copy')}."
    elif added.instead:
        there = added.instead
        yield f"no rebalance makes room. It would start on {there.place} if {', '.join(there.stopped)} stopped"
        yield f"  no model would be left for {', '.join(there.roles)}" if there.roles else "  and no role would be lost"
    else:
        yield "no rebalance makes room, and neither does stopping the models of one place."


def _whole(added: Addition, proposal: Proposal) -> Iterator[str]:
    """Why others move, and on which GPUs the copies are."""
    copies = {copy_of(added.model, number).name for number in range(1, added.most.copies + 1)}
    yield from (f"  {reason}" for name, reason in proposal.reasons.items() if name not in copies)
    places = Counter(str(c.place) for c in proposal.changes if isinstance(c, Move) and c.model in copies)
    words = [f"{number} on {place}" for place, number in sorted(places.items())]
    yield f"  copies: {', '.join(words[:_ROWS])}" + (f" and {len(words) - _ROWS} places more" if words[_ROWS:] else "")


_HEADINGS = (f"{SERVER_GPUS} GPUs", "GiB", "TB/s", "kW", "GPUs each", "copies", "tokens/s", "at once")


def offer_lines(offers: Sequence[Offer], length: int | None) -> Iterator[str]:
    """Servers to buy, the one that carries most first, and a bar of how much that is."""
    by_sequences = length and any(offer.sequences is not None for offer in offers)
    what = f"sequences of {count(length or 0)} tokens" if by_sequences else "copies"
    rows = [_HEADINGS, *(_offer_row(offer) for offer in offers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    top = max((offer.worth for offer in offers), default=0.0) or 1.0
    bars = ["", *(HELD * round(16 * offer.worth / top) for offer in offers)]
    yield f"  a server more for it; at once: {what}; tokens/s: of one sequence alone"
    for (first, *rest), bar in zip(rows, bars, strict=True):
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  " + "  ".join((first.ljust(widths[0]), *cells, bar)).rstrip()
    yield from _indented(_advice(offers))


def _offer_row(offer: Offer) -> tuple[str, ...]:
    kind = offer.accelerator
    hardware = (kind.name, gib(kind.total_bytes), f"{kind.bandwidth / TB:.2f}", f"{offer.power_watts / 1000:.1f}")
    if not offer.copies:
        return (*hardware, "-", "none", "-", "-")
    speed = f"{offer.speed.low:.0f}-{offer.speed.high:.0f}" if offer.speed else "-"
    return (*hardware, str(offer.gpus_each), str(offer.copies), speed, f"{offer.worth:.1f}".removesuffix(".0"))


def _advice(offers: Sequence[Offer]) -> Iterator[str]:
    able = [offer for offer in offers if offer.copies]
    if not able:
        yield f"It starts on no such server of {SERVER_GPUS} GPUs."
        return
    thrifty = max(able, key=lambda offer: offer.worth / offer.power_watts)
    most = f"Most at once: {able[0].accelerator.name}. " if able[0].worth > able[-1].worth else ""
    a_kw = f"{1000 * thrifty.worth / thrifty.power_watts:.1f} a kW"
    yield f"{most}Most for the power of its GPUs: {thrifty.accelerator.name}, {a_kw}."
    yield "Modelled with the same engine and arguments; gpudeck knows no prices."


def _indented(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    for line in lines:
        deeper = " " * (2 + len(line) - len(line.lstrip()))
        yield from wrap(line.strip(), _WIDTH, initial_indent=deeper, subsequent_indent=deeper + "  ")


def _free(outlook: GpuOutlook) -> int:
    return max(0, outlook.total_bytes - outlook.peak_bytes)


def _many(number: int, what: str) -> str:
    plural = what if number == 1 else what.removesuffix("y") + "ies" if what.endswith("y") else f"{what}s"
    return f"{count(number)} {plural}"
