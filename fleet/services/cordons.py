"""GPUs on which nothing new is placed: where a host keeps them, and the commands that read and change that.

They are kept on the host and not in the fleet file: operators have copies of the file, the host is one, and what is
said of a GPU there holds for every console at once. A host that cannot be asked takes nothing new anyway. A GPU is
meant by its PCI address, which outlives a driver that counts anew. Lines are only ever added, so of two operators
neither undoes the other, and the file tells who did what.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from fleet.commands import Read, Write
from fleet.readings import Cordon
from fleet.text import clean

WHOLE_HOST = ""
"""In place of a GPU's address."""
_MOST_CHARACTERS = 1_000_000


def cordons_file(become: str) -> str:
    """Where they are: beside what outlives a reboot, or in the home folder of whoever cannot become root."""
    return ".gpudeck-cordons" if become == "none" else "/var/lib/gpudeck/cordons"


def read_cordons(become: str) -> Read:
    """The command that prints them; it needs no privilege."""
    return Read(("cat", cordons_file(become)))


def write_cordons(become: str, gpus: Iterable[str], cordon: Cordon, *, lift: bool = False) -> tuple[Write, ...]:
    """The commands that cordon these GPUs, by PCI address, or lift their cordons; ``cordon`` says who does it."""
    file = cordons_file(become)
    said = {"cordoned": not lift, "who": cordon.who, "why": cordon.why, "at": cordon.at}
    text = "".join(f"{json.dumps({'gpu': gpu, **said}, ensure_ascii=False)}\n" for gpu in gpus)
    folder = file.rpartition("/")[0] or "."
    return (
        Write(("mkdir", "-p", folder)).as_root(become),
        Write(("tee", "-a", file), text.encode()).as_root(become),
    )


def parse_cordons(text: str) -> Mapping[str, Cordon]:
    """Who cordoned what, by PCI address, `WHOLE_HOST` for all of it. A line that is none does not count."""
    found: dict[str, Cordon] = {}
    for line in text[-_MOST_CHARACTERS:].splitlines():
        try:
            said = json.loads(line)
            gpu = clean(str(said["gpu"]), 40)
            cordon = Cordon(clean(str(said["who"]), 200), clean(str(said["why"]), 200), float(said["at"]))
            cordoned = said["cordoned"] is True
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
        if cordoned:
            found[gpu] = cordon
        else:
            found.pop(gpu, None)
    return found
