"""The fleet file at a glance: the hosts and models it names, enough for a first picture while nothing is checked yet.

`fleet.inventory.loading` needs its schema for the rest, and that takes ten times as long.
"""

from __future__ import annotations

from pathlib import Path

from fleet.hardware import accelerator
from fleet.inventory import MOST_GPUS, Host, Inventory
from fleet.inventory.nodes import Plain, plain
from fleet.inventory.problems import FleetFileError
from fleet.inventory.reading import BYTE_ORDER_MARK, read, read_text
from fleet.model import Engine, Model, Place
from fleet.text import clean


def outline(path: Path, text: str | None = None) -> Inventory | None:
    """The fleet as the file, or ``text`` in its place, names it: hosts with their GPUs, models with their places.

    None where that much is not to be had, so that `loading.load` has something to say. A file that has an outline may
    still be wrong in everything else.
    """
    try:
        document = read((read_text(path) if text is None else text).removeprefix(BYTE_ORDER_MARK), path)
        return _fleet(plain(document.root)) if document.root and not document.problems else None
    except (FleetFileError, ValueError, KeyError):
        return None


def _fleet(file: Plain) -> Inventory:
    match file:
        case {"fleet": str(name), "hosts": dict(hosts), "models": dict(models)} if hosts:
            known = tuple(_host(host, said) for host, said in hosts.items())
            sizes = {host.name: host.gpus for host in known}
            return Inventory(clean(name), known, tuple(_model(model, said, sizes) for model, said in models.items()))
    raise ValueError("not a fleet")


def _host(name: str, said: Plain) -> Host:
    match said:
        case {"accelerator": str(kind), "gpus": int(gpus), **others} if 0 < gpus <= MOST_GPUS:
            return Host(clean(name), "", accelerator(kind).name, gpus, production=others.get("production") is True)
    raise ValueError("not a host")


def _model(name: str, said: Plain, sizes: dict[str, int]) -> Model:
    match said:
        case {"engine": str(engine), "place": str(text), **others}:
            place = Place.parse(text)
            if place.gpus[-1] >= sizes.get(place.host, 0):
                raise ValueError("no such place")
            return Model(clean(name), Engine.parse(engine), place=place, enabled=others.get("enabled") is not False)
        case {"engine": str(engine), "enabled": False}:
            return Model(clean(name), Engine.parse(engine), enabled=False)
    raise ValueError("not a model")
