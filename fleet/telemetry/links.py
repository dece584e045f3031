"""How the GPUs of a host reach each other: KFD's links between topology nodes, as links between GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fleet.readings import GpuIdentity, GpuLink, LinkKind

MOST = 10_000
"""Links kept of one host; 64 partitions have 4,032 among each other."""
_ROW = re.compile(r"([0-9]{1,3}) ([0-9]{1,5}) ([0-9]{1,5}) ([0-9]{1,6}) ([0-9]{1,9})")
_KINDS = {"2": LinkKind.PCIE, "11": LinkKind.XGMI}
"""By the number of ``CRAT_IOLINK_TYPE_*`` (amdkfd/kfd_crat.h)."""
_HOP = 15
"""An xGMI link's weight for each of its hops (``KFD_CRAT_XGMI_WEIGHT``, amdkfd/kfd_crat.c)."""
_MB = 10**6


class Links:
    """The links of a host's topology nodes, as they were told; at first none."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], tuple[LinkKind, int, int]] = {}
        self._known: Mapping[str, tuple[GpuLink, ...]] | None = None

    def take(self, line: str) -> None:
        """A link: its type, the nodes it is from and to, its weight, MB/s at most. The first of a pair counts."""
        row = _ROW.fullmatch(line)
        if row and row[1] in _KINDS and len(self._rows) < MOST:
            self._rows.setdefault((row[2], row[3]), (_KINDS[row[1]], int(row[4]), int(row[5])))
            self._known = None

    def by_gpu(self, identities: Iterable[GpuIdentity]) -> Mapping[str, tuple[GpuLink, ...]]:
        """Each GPU's links to others, by PCI address, in the order of the others' HIP indices.

        It is worked out once: another description of the host comes with other links.
        """
        if self._known is None:
            pci = {str(who.node): who.pci for who in identities}
            self._known = {
                address: tuple(
                    _link(other, *self._rows[node, peer])
                    for peer, other in pci.items()
                    if peer != node and (node, peer) in self._rows
                )
                for node, address in pci.items()
            }
        return self._known


def _link(to: str, kind: LinkKind, weight: int, megabytes: int) -> GpuLink:
    hops = weight // _HOP if kind is LinkKind.XGMI and weight and weight % _HOP == 0 else None
    return GpuLink(to, kind, weight, hops, megabytes * _MB or None)
