"""Whether the image a container is made from is on its host; to pull one takes longer than most loads."""

from __future__ import annotations

import json
import shlex

from fleet.commands import Read, Reader
from fleet.findings import Finding
from fleet.planning.prechecks.beginnings import Beginning
from fleet.services.compose import Compose
from fleet.services.docker_run import container
from fleet.services.quadlet import Quadlet
from fleet.services.systemd import Systemd
from fleet.text import clean

_NOT_THERE = ("no such image", "no such object", "image not known")
"""What docker and podman say of an image they do not have, and of nothing else."""
_PROGRAMS = ("docker", "podman", "nerdctl")
_MADE_BY_UNITS = (".image", ".build")
"""Of a Quadlet: units of their own that get the image."""


async def check(start: Beginning, reader: Reader) -> list[Finding]:
    """Whether its image is missing. A container that is made anew from one that exists has its image."""
    known = image_of(start)
    if known is None:
        return []
    program, image = known
    answer = await reader.read(Read((*program, "image", "inspect", "--format", "{{.Id}}", image)))
    if answer.ok or not any(words in answer.stderr.casefold() for words in _NOT_THERE):
        return []
    pull = shlex.join((*(word for word in program if word not in ("-n", "--")), "pull", image))
    message = f"the image {clean(image, 200)} is not on {start.step.host}. Pull it there first: `{clean(pull, 300)}`."
    return [start.finding("PRE009", message)]


def image_of(start: Beginning) -> tuple[tuple[str, ...], str] | None:
    """The program that keeps it, as words, and the image; None where none is named plainly."""
    image = ""
    program: tuple[str, ...] = ()
    match start.service:
        case Quadlet() as quadlet:
            program = Read(("podman",)).as_root("none" if quadlet.user else quadlet.become).words
            image = start.definition.argv[0]
        case Compose() as compose:
            program = Read(("docker",)).as_root(compose.become).words
            image = json.loads(start.definition.command)[0] or ""
        case Systemd() as unit:
            made = container(start.argv)
            called = next((word for word in start.argv if word.rpartition("/")[2] in _PROGRAMS), "")
            program = Read((called,)).as_root("none" if unit.user else unit.become).words
            image = made.image if made else ""
    plain = image and not image.startswith("-") and not image.endswith(_MADE_BY_UNITS) and "$" not in image
    return (program, image) if plain else None
