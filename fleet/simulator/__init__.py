"""A GPU host that is not there: a real SSH server and a real shell over simulated GPUs and services.

`physics` and what it is made of know neither sockets nor asyncio; only `host` imports asyncssh. The numbers
it draws memory from are recorded in `truths`, apart from the estimator that they put to the test.
"""

from __future__ import annotations


def demo_fleet() -> str:
    """The text of the demo's fleet file."""
    from importlib import resources  # only who asks for the text pays for the import

    return resources.files(__name__).joinpath("fleet.yaml").read_text(encoding="utf-8")
