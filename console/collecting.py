"""When Python looks for garbage: not before the first paint, when there is none, and never again in what stands then.

A third of the time a console takes to its first paint would else go into looking through what was just imported.
"""

from __future__ import annotations

import gc


def put_off() -> None:
    """Look for no garbage until `resume`."""
    gc.disable()


def resume() -> None:
    """Look for garbage again, if it was put off; what stands now is taken to stay."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
