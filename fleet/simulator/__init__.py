"""A GPU host that is not there: a real SSH server and a real shell over simulated GPUs and services.

`physics` and what it is made of know neither sockets nor asyncio; only `host` imports asyncssh. The numbers
it draws memory from are recorded in `truths`, apart from the estimator that they put to the test.
"""

from __future__ import annotations
