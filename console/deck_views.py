"""From the fleet's state and what the operator is doing to what each pane shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from fleet.findings.assessment import Assessment
from fleet.model import GpuId
from fleet.state import FleetState, GpuState, HostState
from widgets.pane_view import PaneView

if TYPE_CHECKING:
    from console.filter import Predicate
    from fleet.planning.carry import Verdict


@dataclass(frozen=True, slots=True)
class Doing:
    """What the operator is doing with the deck."""

    after: Assessment | None = None
    """The placement after the draft, or after dropping what is carried under the cursor."""
    show_after: bool = False
    verdicts: Mapping[GpuId, Verdict] = field(default_factory=lambda: MappingProxyType({}))
    """While something is carried: each GPU's answer."""
    wanted: Predicate | None = None
    """The filter."""
    labels: Mapping[tuple[GpuId, str], str] = field(default_factory=lambda: MappingProxyType({}))
    """While jumping: the letter of each model, under the empty name of a GPU without any."""
    marked: frozenset[str] = frozenset()
    """Models that are chosen together."""


def pane_views(state: FleetState, doing: Doing) -> list[PaneView]:
    """A view of every GPU, in the fleet file's order, which never changes by itself."""
    several = len(state.hosts) > 1
    return [_view(gpu, host, doing, names_host=several) for host in state.hosts for gpu in host.gpus]


def _view(gpu: GpuState, host: HostState, doing: Doing, *, names_host: bool) -> PaneView:
    after = doing.after.outlooks[gpu.gpu] if doing.after else None
    faint: frozenset[str] = frozenset()
    is_faint = False
    if doing.wanted is not None:
        wanted = doing.wanted
        faint = frozenset(model.name for model in gpu.models if not wanted((gpu, model)))
        is_faint = not wanted((gpu, None)) if not gpu.models else len(faint) == len(gpu.models)
    return PaneView(
        gpu=gpu,
        link=host.link,
        age_seconds=None if host.link.is_fresh else host.age_seconds,
        after=after if after is not None and after.shares != gpu.outlook.shares else None,
        verdict=doing.verdicts.get(gpu.gpu),
        show_after=doing.show_after,
        faint=faint,
        is_faint=is_faint,
        names_host=names_host,
        is_production=host.production,
        labels={name: letter for (where, name), letter in doing.labels.items() if where == gpu.gpu},
        marked=doing.marked,
    )
