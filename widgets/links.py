"""How fresh a host's readings are, as a sign and a style: the same wherever a host is shown."""

from __future__ import annotations

from fleet.readings import Link

LINK_SIGNS = {Link.LIVE: " ", Link.CONNECTING: "○", Link.STALE: "≈", Link.LOST: "✗", Link.UNREACHABLE: "✗"}
"""What stands before a host, and in place of the figures that are too old to act on."""
LINK_STYLES = {
    Link.LIVE: "good",
    Link.CONNECTING: "dim",
    Link.STALE: "warning",
    Link.LOST: "error",
    Link.UNREACHABLE: "error",
}
"""Each one of `widgets.palette.STYLES`."""
