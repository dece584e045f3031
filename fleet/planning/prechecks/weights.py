"""Whether a model's weights are whole on its host: in a folder, or in the cache that Hugging Face's library fills.

The cache keeps ``models--ORG--NAME/snapshots/COMMIT`` with a link for each file, ``refs/REVISION`` with the commit, and
what is being downloaded as ``blobs/*.incomplete``. Sharded weights come with an index that names every shard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.commands import Answer, Read, Reader
from fleet.estimate.estimating import estimate
from fleet.findings import Finding, Severity
from fleet.planning.prechecks.beginnings import Beginning
from fleet.text import clean
from fleet.units import gib_text

_MOST_FILES = 5000
_NO_WEIGHTS = (".json", ".txt", ".md", ".model", ".py", ".jinja", ".png", "LICENSE")
_ENGINES = ("vllm", "sglang", "llama.cpp")
"""Those whose ways to find weights are known."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)")
_USUAL = "~/.cache/huggingface/hub"
_ON = ("1", "on", "yes", "true")
_READ = """\
where=$1 own=$2 revision=$3 user=$4
case $where in "~"*) home=$(getent passwd "${user:-$(id -un)}" | cut -d: -f6); where=$home${where#?} ;; esac
near=$where
while [ ! -e "$near" ] && [ "$near" != / ]; do near=${near%/*}; near=${near:-/}; done
echo "where $where"
if [ "$near" = "$where" ] && [ -x "$where" ]; then echo root there; elif [ -x "$near" ]; then echo root missing; fi
echo "free $(df -Pk "$near" | sed -n '$s/.* \\([0-9][0-9]*\\)  *[0-9-]*%.*/\\1/p')"
folder=$where
if [ -n "$own" ]; then
  folder=$where/$own
  commit=$(cat "$folder/refs/$revision" 2>/dev/null)
  [ ! -d "$folder" ] || echo repository there
  echo "incomplete $(ls "$folder/blobs" 2>/dev/null | grep -c '\\.incomplete$')"
  folder=$folder/snapshots/${commit:-$revision}
elif [ -f "$where" ]; then folder=${where%/*}
fi
if [ -r "$folder" ] && [ -x "$folder" ]; then
  echo folder read
  for file in "$folder"/*; do [ ! -s "$file" ] || [ ! -f "$file" ] || echo "file ${file##*/}"; done
  for index in model.safetensors.index.json pytorch_model.bin.index.json; do
    [ -r "$folder/$index" ] || continue
    grep -oE ': *"[^"/]+\\.(safetensors|bin)"' "$folder/$index" | sed 's/^: *"\\(.*\\)"$/shard \\1/' | sort -u
    grep -oE '"total_size": *[0-9]+' "$folder/$index" | sed 's/.*: */total /'
    break
  done
fi"""
"""For sh: $1 = the cache or the local folder or file, $2 = the model's folder in the cache, $3, $4 = revision, user."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a host has of a model's weights."""

    where: str = ""
    """The cache, or the local folder or file."""
    root: bool | None = None
    """Whether that is there; None where the host does not say."""
    repository: bool = False
    """Whether the cache has the model's folder."""
    read: bool = False
    """Whether the folder with its files could be listed."""
    files: frozenset[str] = frozenset()
    """Those that are not empty."""
    shards: tuple[str, ...] = ()
    """Those its index names."""
    unfinished: int = 0
    """Downloads that have not ended."""
    total_bytes: int = 0
    """What its index says all shards come to."""
    free_bytes: int | None = None

    def parts(self, source: str) -> tuple[str, ...]:
        """The files its weights are in, by its index, or else by a numbered name among them; none where in one."""
        named = (_parts(name) for name in (source.rpartition("/")[2], *sorted(self.files)))
        return self.shards or next((parts for parts in named if parts), ())

    def missing(self, source: str) -> tuple[str, ...]:
        """The parts that are not there."""
        return tuple(name for name in self.parts(source) if name not in self.files)

    def is_whole(self, source: str) -> bool:
        """Whether nothing is known to be missing of what it is loaded from."""
        has_weights = any(not name.endswith(_NO_WEIGHTS) for name in self.files)
        return has_weights and not self.missing(source)


def weights_command(where: str, own: str = "", revision: str = "main", user: str = "") -> Read:
    """The command that lists weights in a local folder, or (``own``) in that folder of a cache."""
    return Read(("sh", "-c", _READ, "sh", where, own, revision, user))


def parse_weights(answer: Answer) -> Stored:
    """What `weights_command` printed."""
    said: dict[str, list[str]] = {}
    for line in answer.stdout.splitlines()[:_MOST_FILES]:
        kind, _, rest = line.partition(" ")
        said.setdefault(kind, []).append(clean(rest, 300))

    def number(kind: str) -> int | None:
        text = said.get(kind, [""])[0]
        return int(text) if text.isdecimal() else None

    free = number("free")
    return Stored(
        where=said.get("where", [""])[0],
        root={"there": True, "missing": False}.get(said.get("root", [""])[0]),
        repository="repository" in said,
        read="folder" in said,
        files=frozenset(said.get("file", ())),
        shards=tuple(said.get("shard", ())),
        unfinished=number("incomplete") or 0,
        total_bytes=number("total") or 0,
        free_bytes=None if free is None else free * 1024,
    )


async def check(start: Beginning, reader: Reader) -> list[Finding]:
    """What is missing of its weights. Nothing of a container, whose files are its own."""
    source = start.source
    if not start.in_own_process or start.user is None or start.model.engine.name not in _ENGINES:
        return []
    if source.startswith("/"):
        stored = parse_weights(await reader.read(weights_command(source)))
        return [start.finding("PRE010", _said(start, stored))] if stored.read and not stored.is_whole(source) else []
    if not _HUB_ID.fullmatch(source) or start.model.engine.name == "llama.cpp":
        return []
    where, is_told = cache_of(start)
    own = f"models--{source.replace('/', '--')}"
    revision = start.text("revision") or "main"
    stored = parse_weights(await reader.read(weights_command(where, own, revision, start.user)))
    return _of_cache(start, stored, is_told)


def cache_of(start: Beginning) -> tuple[str, bool]:
    """The cache its engine looks in, and whether its definition says so."""
    told = start.environment
    folders = (
        start.text("download-dir"),
        told.get("HF_HUB_CACHE", ""),
        told.get("HUGGINGFACE_HUB_CACHE", ""),
        f"{told['HF_HOME']}/hub" if told.get("HF_HOME") else "",
        f"{told['XDG_CACHE_HOME']}/huggingface/hub" if told.get("XDG_CACHE_HOME") else "",
    )
    found = next((folder for folder in folders if folder.startswith("/")), "")
    return found or _USUAL, bool(found)


def _of_cache(start: Beginning, stored: Stored, is_told: bool) -> list[Finding]:
    if stored.root is None or (stored.repository and stored.is_whole(start.source)):
        return []
    if start.runs_there and not stored.repository:
        return []  # it serves, so its weights are somewhere else
    is_sure = stored.repository or is_told or (stored.root and not start.unit.environment_files)
    size = _to_fetch(start, stored)
    offline = any(start.environment.get(name, "").lower() in _ON for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    no_room = stored.free_bytes is not None and stored.free_bytes < size
    end = f"Fetch them first: `hf download {start.source}`."
    if offline:
        end = f"Its unit forbids fetching (HF_HUB_OFFLINE); {end[0].lower()}{end[1:]}"
    elif no_room:
        end = f"About {gib_text(size)} would be fetched, and {gib_text(stored.free_bytes or 0)} are free there."
    else:
        end = f"Its start would fetch about {gib_text(size)}, which the plan's times do not count. {end}"
    severity = Severity.ERROR if is_sure and (offline or no_room) else Severity.WARNING
    return [start.finding("PRE010", f"{_said(start, stored)} {end}", severity)]


def _to_fetch(start: Beginning, stored: Stored) -> int:
    """Bytes: the index's, less the share of its shards that is there; without one, what the weights are reckoned at."""
    if stored.shards and stored.total_bytes:
        return stored.total_bytes * len(stored.missing(start.source)) // len(stored.shards)
    return sum(share.weights_bytes for share in estimate(start.model, start.accelerator).shares)


def _said(start: Beginning, stored: Stored) -> str:
    lacking, host = stored.missing(start.source), start.step.host
    if lacking:
        some = f"{len(lacking)} of {len(stored.parts(start.source))} parts of its weights"
        message = f"{some} are not in {stored.where} on {host}, {lacking[0]} first."
    else:
        message = f"its weights are not in {stored.where} on {host}."
    return message + (" A download there has not ended." if stored.unfinished else "")


def _parts(name: str) -> tuple[str, ...]:
    """Every file of weights in numbered parts, from the name of one of them; none where it has no number."""
    match = _PART.fullmatch(name)
    if not match or int(match[3]) > _MOST_FILES:
        return ()
    return tuple(f"{match[1]}-{n:05}-of-{match[3]}{match[4]}" for n in range(1, int(match[3]) + 1))
