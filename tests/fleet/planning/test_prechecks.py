"""What a start would fail on, found on the host by a real shell before anything is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.commands import Answer, Read
from fleet.findings import Finding
from fleet.hardware import accelerator
from fleet.model import Arguments, Engine, GpuId, Model, Place, Version
from fleet.planning.plan import Action, Step
from fleet.planning.prechecks import access, images, weights
from fleet.planning.prechecks.access import Node, User, access_command, parse_access
from fleet.planning.prechecks.beginnings import Beginning
from fleet.planning.prechecks.host_facts import UnitFacts
from fleet.planning.prechecks.images import image_of
from fleet.planning.prechecks.weights import parse_weights, weights_command
from fleet.services import Definition, Service
from fleet.services.compose import Compose
from fleet.services.quadlet import Quadlet
from fleet.services.systemd import Systemd

ME = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
SOURCE = "meta-llama/Llama-3.1-8B-Instruct"
SHARDS = [f"model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]


class Shell:
    """A host that is this machine."""

    def __init__(self, **environment: str) -> None:
        self.environment = {**os.environ, **environment}

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        process = await asyncio.create_subprocess_exec(
            *command.words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=self.environment
        )
        printed, complained = await process.communicate()
        return Answer(process.returncode or 0, printed.decode(), complained.decode())


def beginning(
    source: str = SOURCE,
    *,
    engine: str = "vllm",
    argv: tuple[str, ...] = ("/opt/vllm", "serve", "x"),
    service: Service | None = None,
    user: str | None = ME,
    files: tuple[str, ...] = (),
    runs_there: bool = False,
    **environment: str,
) -> Beginning:
    service = service or Systemd("a.service", "sudo")
    model = Model("a", Engine(engine, Version("0.9.2")), source=source, place=Place("gpu01", (0,)), args=Arguments({}))
    step = Step(3, Action.START, "a", "gpu01", service.name, (GpuId("gpu01", 0),))
    definition = Definition(argv, environment, command=json.dumps(["vllm/vllm:1", None, None]))
    unit = UnitFacts(user=user, environment_files=files)
    return Beginning(step, model, service, definition, unit, accelerator("MI300X"), runs_there)


def said(found: list[Finding]) -> list[str]:
    return [f"{finding.severity} {finding.code} {finding.message}" for finding in found]


# weights


def cache(folder: Path, *, there: list[str], index: list[str] | None = None, unfinished: int = 0) -> Path:
    """A cache that has this model, as Hugging Face's library lays it out."""
    own = folder / "models--meta-llama--Llama-3.1-8B-Instruct"
    snapshot = own / "snapshots" / "0e9e39f"
    for made in (snapshot, own / "refs", own / "blobs"):
        made.mkdir(parents=True)
    (own / "refs" / "main").write_text("0e9e39f")
    for n in range(unfinished):
        (own / "blobs" / f"{n}.incomplete").write_text("half")
    for name in ["config.json", *there]:
        (own / "blobs" / name).write_text("{}")
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    if index is not None:
        text = {"metadata": {"total_size": 3 << 30}, "weight_map": {f"layer.{name}": name for name in index}}
        (snapshot / "model.safetensors.index.json").write_text(json.dumps(text))
    return folder


async def test_weights_that_are_whole_are_not_spoken_of(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=SHARDS, index=SHARDS, unfinished=1)
    assert await weights.check(beginning(HF_HUB_CACHE=str(hub)), Shell()) == []
    single = cache(tmp_path / "other" / "hub", there=["model.safetensors"])
    assert await weights.check(beginning(HF_HOME=str(single.parent)), Shell()) == []


async def test_shards_that_the_index_names_and_the_cache_has_not_are_counted_and_named(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=SHARDS[:1], index=SHARDS, unfinished=2)
    (one,) = said(await weights.check(beginning(HF_HUB_CACHE=str(hub)), Shell()))
    assert one == (
        f"warning PRE010 2 of 3 parts of its weights are not in {hub} on gpu01, {SHARDS[1]} first. A download there "
        "has not ended. Its start would fetch about 2.0 GiB, which the plan's times do not count. Fetch them first: "
        f"`hf download {SOURCE}`."
    )


async def test_a_link_to_a_blob_that_is_gone_is_a_missing_shard(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=SHARDS, index=SHARDS)
    (hub / "models--meta-llama--Llama-3.1-8B-Instruct" / "blobs" / SHARDS[2]).unlink()
    (one,) = said(await weights.check(beginning(HF_HUB_CACHE=str(hub), runs_there=True), Shell()))
    assert f"1 of 3 parts of its weights are not in {hub} on gpu01, {SHARDS[2]} first." in one


async def test_a_download_of_one_file_that_has_not_ended_is_not_whole(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=[], unfinished=1)
    (one,) = said(await weights.check(beginning(HF_HUB_CACHE=str(hub)), Shell()))
    assert f"its weights are not in {hub} on gpu01. A download there has not ended." in one


async def test_what_an_old_download_left_says_nothing_of_weights_that_are_there(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=["model.safetensors"], unfinished=1)
    assert await weights.check(beginning(HF_HUB_CACHE=str(hub), runs_there=True), Shell()) == []


async def test_the_weights_looked_for_are_those_of_the_checkpoint_to_be_served(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=SHARDS, index=SHARDS)
    start = replace(beginning("a/small", HF_HUB_CACHE=str(hub), HF_HUB_OFFLINE="1"), former_source=SOURCE)
    (one,) = said(await weights.check(start, Shell()))
    assert one.startswith(f"error PRE010 its weights are not in {hub} on gpu01.") and one.endswith("download a/small`.")
    beside = beginning("b.gguf", engine="llama.cpp", argv=("/opt/llama-server", "-m", "/models/a.gguf"))
    assert replace(beside, former_source="a.gguf").source == "/models/b.gguf"


async def test_without_an_index_the_numbers_in_the_names_say_how_many_parts_there_are(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=SHARDS[:2], unfinished=1)
    (one,) = said(await weights.check(beginning(HF_HUB_CACHE=str(hub)), Shell()))
    assert f"1 of 3 parts of its weights are not in {hub} on gpu01, {SHARDS[2]} first. A download there" in one


async def test_where_nothing_may_be_fetched_what_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    start = beginning(HF_HUB_CACHE=f"{tmp_path}/hub", HF_HUB_OFFLINE="1")
    (one,) = said(await weights.check(start, Shell()))
    assert one.startswith(f"error PRE010 its weights are not in {tmp_path}/hub on gpu01. Its unit forbids fetching")


async def test_where_they_would_not_fit_what_is_missing_is_an_error(tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", there=[], index=SHARDS)
    index = hub / "models--meta-llama--Llama-3.1-8B-Instruct" / "snapshots" / "0e9e39f" / "model.safetensors.index.json"
    index.write_text(index.read_text().replace(str(3 << 30), str(1 << 60)))
    (one,) = said(await weights.check(beginning(HF_HUB_CACHE=str(hub)), Shell()))
    assert one.startswith("error PRE010 3 of 3 parts")
    assert "About 1073741824.0 GiB would be fetched" in one


async def test_a_model_that_serves_has_its_weights_wherever_they_are(tmp_path: Path) -> None:
    assert await weights.check(beginning(HF_HOME=str(tmp_path), runs_there=True), Shell()) == []


async def test_a_cache_that_may_be_elsewhere_is_only_warned_of(tmp_path: Path) -> None:
    start = beginning(HF_HUB_OFFLINE="1", files=("/etc/models/a.env",), user=ME)
    found = said(await weights.check(start, Shell()))
    assert all(one.startswith("warning") for one in found)


async def test_a_local_folder_must_hold_every_shard_of_its_index(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / SHARDS[0]).write_text("x")
    index = json.dumps({"weight_map": dict.fromkeys("ab", SHARDS[1])})
    (tmp_path / "model.safetensors.index.json").write_text(index)
    (one,) = said(await weights.check(beginning(str(tmp_path)), Shell()))
    assert one == f"error PRE010 1 of 1 parts of its weights are not in {tmp_path} on gpu01, {SHARDS[1]} first."
    (tmp_path / SHARDS[1]).write_text("x")
    assert await weights.check(beginning(str(tmp_path)), Shell()) == []
    (tmp_path / SHARDS[1]).write_text("")
    assert await weights.check(beginning(str(tmp_path)), Shell()), "an empty file is no shard"


async def test_a_file_in_numbered_parts_needs_the_others(tmp_path: Path) -> None:
    parts = [tmp_path / f"ds-r1-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    for part in parts[:2]:
        part.write_text("GGUF")
    (one,) = said(await weights.check(beginning(str(parts[0]), engine="llama.cpp"), Shell()))
    assert f"1 of 3 parts of its weights are not in {parts[0]} on gpu01, {parts[2].name} first." in one
    parts[2].write_text("GGUF")
    assert await weights.check(beginning(str(parts[0]), engine="llama.cpp"), Shell()) == []


async def test_containers_and_engines_whose_ways_are_not_known_are_not_judged(tmp_path: Path) -> None:
    docker = ("/usr/bin/docker", "run", "vllm/vllm:1", "--model", SOURCE)
    starts = [
        beginning(HF_HUB_CACHE=str(tmp_path), argv=docker),
        beginning(HF_HUB_CACHE=str(tmp_path), service=Quadlet("a")),
        beginning(HF_HUB_CACHE=str(tmp_path), engine="infinity"),
        beginning("s3://bucket/model", HF_HUB_CACHE=str(tmp_path)),
        beginning(HF_HUB_CACHE=str(tmp_path), user=None),
    ]
    assert [await weights.check(start, Shell()) for start in starts] == [[]] * len(starts)


def test_hostile_file_names_stay_data(tmp_path: Path) -> None:
    (tmp_path / "$(touch pwned) \x1b[31m.bin").write_text("x")
    done = subprocess.run(
        weights_command(str(tmp_path)).words, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    stored = parse_weights(Answer(0, done.stdout, ""))
    assert stored.is_whole("x")
    assert not any("\x1b" in name for name in stored.files)
    assert len(list(tmp_path.iterdir())) == 1


# who may open what


def test_a_node_asks_its_owner_its_group_and_then_everybody() -> None:
    render = Node("crw-rw----", 0, 105, "render")
    assert not render.allows(User(1000, frozenset({1000, 44})), "rw")
    assert render.allows(User(1000, frozenset({1000, 105})), "rw")
    assert render.allows(User(0, frozenset()), "rw")
    assert Node("crw-rw----+", 0, 105, "render").allows(User(1000, frozenset()), "rw"), "its own rules decide"
    assert not Node("----rw-rw-", 1000, 105, "x").allows(User(1000, frozenset({105})), "r"), "the owner's bits count"
    assert Node("drwxrwsr-t", 0, 0, "x").allows(User(1000, frozenset()), "rx")


def test_modes_are_read_from_the_path_up_and_patterns_are_filled_in(tmp_path: Path) -> None:
    closed = tmp_path / "a b"
    closed.mkdir(mode=0o700)
    (closed / "token").write_text("x")
    (closed / "token").chmod(0o640)
    command = access_command(ME, ["root"], [f"{closed}/tok*", f"{closed}/token", "/no/such"])
    done = subprocess.run(command.words, capture_output=True, text=True, check=True)
    user, found = parse_access(Answer(0, done.stdout, ""))
    assert user is not None
    assert user.uid == os.getuid()
    assert 0 in user.groups
    assert list(found) == [f"{closed}/token"]
    assert [node.mode[:10] for node in found[f"{closed}/token"]][:2] == ["-rw-r-----", "drwx------"]
    assert len(found[f"{closed}/token"]) == f"{closed}/token".count("/") + 1


class Told:
    """A host that prints what it is told to."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout

    async def read(self, command: Read, timeout: float = 10.0) -> Answer:
        return Answer(0, self.stdout, "")


ROOT_FOLDER = "at root drwxr-xr-x 20 0 0 4096 Nov 21 10:00 /\n"
KFD = f"at render crw-rw---- 1 0 105 511, 0 Nov 21 10:00 /dev/kfd\n{ROOT_FOLDER}path /dev/kfd\n"
NODES = KFD + KFD.replace("/dev/kfd", "/dev/dri/renderD128").replace("render ", "video ").replace(" 105 ", " 44 ")


async def test_a_user_outside_the_groups_of_the_gpus_is_told_which_to_join() -> None:
    found = said(await access.check(beginning(user="llm"), Told(f"user 1000 1000 44\n{NODES}")))
    assert found == [
        "error PRE007 it runs as llm, who is not in the group render and so may not open /dev/kfd on gpu01. Add "
        "SupplementaryGroups=render to the unit, or run `usermod -aG render llm`."
    ]
    assert await access.check(beginning(user="llm"), Told(f"user 1000 1000 44 105\n{NODES}")) == []
    assert await access.check(beginning(user=""), Told(f"user 0 0\n{NODES}")) == []
    assert await access.check(beginning(user="ghost"), Told(f"user  \n{NODES}")) == []


@pytest.mark.parametrize(
    ("file", "folder", "words"),
    [("-rw-------", "drwxr-xr-x", " on gpu01. Let"), ("-rw-r--r--", "drwx------", "through a folder of mode drwx")],
)
async def test_a_token_its_user_may_not_read_is_named(file: str, folder: str, words: str) -> None:
    printed = f"at root {file} 1 0 0 4 Nov 21 10:00 /s/token\nat root {folder} 2 0 0 9 Nov 21 10:00 /s\n{ROOT_FOLDER}"
    host = Told(f"user 1000 1000\n{printed}path /s/token\n")
    (one,) = said(await access.check(beginning(user="llm", HF_TOKEN_PATH="/s/token"), host))
    assert one.startswith("error PRE008 it runs as llm, who may not read /s/token on gpu01")
    assert words in one


def test_what_is_not_whole_is_no_mode() -> None:
    printed = "user 1000 x\nat a\nat root -rw 1 0 0\npath /a\nat ? \npath /b\npath /c\nnoise\n"
    assert parse_access(Answer(0, printed, "")) == (None, {})


# images


def test_the_image_is_the_one_its_own_definition_names() -> None:
    docker = ("/usr/bin/docker", "run", "--rm", "-e", "A=1", "rocm/vllm:0.9.2", "--model", SOURCE)
    assert image_of(beginning(argv=docker)) == (("sudo", "-n", "--", "/usr/bin/docker"), "rocm/vllm:0.9.2")
    compose = Compose("/srv/compose.yaml", "a")
    assert image_of(beginning(service=compose)) == (("docker",), "vllm/vllm:1")
    quadlet = Quadlet("a", user=True)
    assert image_of(beginning(service=quadlet, argv=("quay.io/vllm:1", "serve"))) == (("podman",), "quay.io/vllm:1")
    assert image_of(beginning(service=quadlet, argv=("vllm.build",))) is None
    assert image_of(beginning(argv=("/opt/vllm", "serve"))) is None


async def test_an_image_that_is_not_there_comes_with_the_command_that_pulls_it(tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text('#!/bin/sh\ncase $5 in here*) echo id ;; odd*) echo "no socket" >&2; exit 125 ;; *) '
                      'echo "Error: $5: image not known" >&2; exit 125 ;; esac\n')  # fmt: skip
    podman.chmod(0o755)
    host = Shell(PATH=f"{tmp_path}:{os.environ['PATH']}")

    async def found(image: str) -> list[str]:
        return said(await images.check(beginning(service=Quadlet("a"), argv=(image,)), host))

    assert await found("here/vllm:1") == []
    assert await found("odd/vllm:1") == [], "what the host does not tell is not found wrong"
    assert await found("gone/vllm:1") == [
        "error PRE009 the image gone/vllm:1 is not on gpu01. Pull it there first: `podman pull gone/vllm:1`."
    ]
