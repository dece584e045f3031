"""Reading a model's files where they lie, on a host: headers only, a few MiB of hundreds of GiB."""

from __future__ import annotations

import base64
import binascii
from functools import partial

from fleet.architecture.architecture import Architecture
from fleet.architecture.checkpoint import of_file, of_folder
from fleet.architecture.ranges import Range, read_remote
from fleet.commands import Read
from fleet.errors import UsageError
from fleet.ssh.probe_only import ProbeOnly
from fleet.text import clean
from fleet.units import MiB

_AT_ONCE = 2 * MiB
_LIST = 'cd -- "$1" && ls -1a'
_SIZE = 'wc -c < "$1"'
_PART = 'tail -c "+$2" -- "$1" | head -c "$3" | base64'
_SECONDS = 30.0


async def read_checkpoint(host: ProbeOnly, path: str) -> Architecture:
    """The architecture of a model folder or a GGUF file on that host.

    Raises UnreachableError without a connection, UsageError where there is nothing to read, HeaderError where a file
    is not what its name says.
    """
    folder, _, name = path.rstrip("/").rpartition("/")
    listed = await host.read(_sh(_LIST, path))
    if not listed.ok:
        folder, steps = folder or "/", of_file(name)
    else:
        folder, steps = path, of_folder(name, listed.stdout.splitlines())
    try:
        file, reader = next(steps)
        while True:
            place = f"{folder}/{file}"
            size, fetch = await _size(host, place), partial(_part, host, place)
            found = await read_remote(f"{host.host}:{place}", size, reader, fetch)
            file, reader = steps.send(found)
    except StopIteration as end:
        architecture: Architecture = end.value
        return architecture


async def _size(host: ProbeOnly, path: str) -> int:
    answer = await host.read(_sh(_SIZE, path))
    if not answer.ok or not answer.stdout.strip().isdigit():
        reason = clean(answer.stderr.strip(), 200) or "it has no size"
        raise UsageError(f"{clean(path)} on {host.host} cannot be read: {reason}.")
    return int(answer.stdout)


async def _part(host: ProbeOnly, path: str, wanted: Range) -> bytes:
    found = b""
    while len(found) < wanted.length:
        length = min(_AT_ONCE, wanted.length - len(found))
        answer = await host.read(_sh(_PART, path, str(wanted.offset + len(found) + 1), str(length)), _SECONDS)
        try:
            part = base64.b64decode(answer.stdout)
        except binascii.Error:
            part = b""
        found += part
        if len(part) < length:
            break
    return found


def _sh(script: str, *arguments: str) -> Read:
    return Read(("sh", "-c", script, "sh", *arguments))
