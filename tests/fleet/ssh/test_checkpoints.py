"""Headers of a model's files, read from a host over a real OpenSSH connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from openssh import MISSING, SshServer, openssh_server
from safetensors.numpy import save

from fleet.architecture.checkpoint import read
from fleet.architecture.ranges import HeaderError
from fleet.errors import UsageError
from fleet.ssh.checkpoints import read_checkpoint
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CONFIG = {
    "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 320, "max_position_embeddings": 512,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
async def probe(server: SshServer) -> AsyncIterator[ProbeOnly]:
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", server.ssh_config))
    yield probe
    await probe.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in a folder whose name a shell would take apart."""
    folder = tmp_path / "it's $HOME; `id`"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(save({"model.layers.0.mlp.up_proj.weight": np.zeros((128, 64), "f2")}))
    return folder


async def test_a_folder_on_a_host_is_read_as_it_would_be_here(probe: ProbeOnly, folder: Path) -> None:
    there, here = await read_checkpoint(probe, str(folder)), read(folder)
    assert there.stored == here.stored
    assert there.stored is not None and there.stored.layers[0].split.served(2) == 128 * 64 * 2


async def test_a_header_longer_than_one_piece_comes_whole(probe: ProbeOnly, folder: Path) -> None:
    names = {f"model.layers.0.mlp.{'x' * 900}{number}.weight": np.zeros(1, "f2") for number in range(3000)}
    (folder / "model.safetensors").write_bytes(save(names))
    found = await read_checkpoint(probe, str(folder))
    assert found.stored is not None and found.stored.disk_bytes == 6000


async def test_a_file_that_is_no_checkpoint_is_refused_with_host_and_place(probe: ProbeOnly, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(HeaderError, match=r"gpu01:.*model\.safetensors, byte 0"):
        await read_checkpoint(probe, str(folder))


async def test_a_path_that_is_not_there_is_refused(probe: ProbeOnly, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither"):
        await read_checkpoint(probe, str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="cannot be read"):
        await read_checkpoint(probe, str(tmp_path / "missing.gguf"))
