"""A host key that known_hosts does not vouch for is refused, each case in its own words, with file and line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openssh import MISSING, SshServer, certify, client_config, new_key, openssh_server, refusal

from fleet.commands import Read
from fleet.errors import UnreachableError
from fleet.ssh.connection import HostConnection
from fleet.ssh.probe_only import ProbeOnly

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Known:
    """A known_hosts file of the test's own, and the configuration that names it."""

    server: SshServer
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def place(self) -> str:
        return f"[127.0.0.1]:{self.server.port}"

    def key(self, name: str, kind: str = "ed25519") -> str:
        return new_key(self.folder / name, kind=kind)

    def hash_names(self) -> None:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", self.path], check=True, capture_output=True)

    def write(self, *lines: str, **changes: str) -> Path:
        self.path.write_text("".join(f"{line}\n" for line in ("# ours", *lines)))
        return client_config(self.server, self.folder, UserKnownHostsFile=str(self.path), **changes)


@pytest.fixture
def known(server: SshServer, tmp_path: Path) -> Known:
    return Known(server, tmp_path)


def true_key(server: SshServer) -> str:
    return " ".join((server.folder / "host_key.pub").read_text().split()[:2])


async def read_ok(ssh_config: Path) -> bool:
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", ssh_config))
    answer = await probe.read(Read(("true",)))
    await probe.close()
    return answer.ok


async def test_an_unknown_host_shows_its_fingerprint_and_how_to_make_it_known(known: Known) -> None:
    said = await refusal(known.write(f"elsewhere {known.key('other')}"))
    assert "not known yet" in said
    assert "SHA256:" in said
    assert str(known.path) in said
    assert "ssh -F" in said
    assert "changed" not in said


async def test_a_changed_key_names_the_line_that_knows_another(known: Known) -> None:
    said = await refusal(known.write("", f"{known.place} {known.key('other')}"))
    assert "has changed" in said
    assert f"{known.path}:3 has ssh-ed25519 SHA256:" in said
    assert f"ssh-keygen -R '{known.place}' -f {known.path}" in said
    assert "not known yet" not in said


async def test_a_host_installed_anew_with_another_kind_of_key_has_changed_too(known: Known) -> None:
    said = await refusal(known.write(f"{known.place} {known.key('other', 'ecdsa')}"))
    assert "has changed" in said
    assert "ecdsa-sha2-nistp256 SHA256:" in said


async def test_a_revoked_key_is_neither_unknown_nor_changed(server: SshServer, known: Known) -> None:
    said = await refusal(known.write(f"{known.place} {true_key(server)}", f"@revoked * {true_key(server)}"))
    assert "is revoked" in said
    assert f"{known.path}:3 withdraws" in said
    assert "changed" not in said


async def test_a_line_that_cannot_be_read_is_named(known: Known) -> None:
    assert f"{known.path}:2" in await refusal(known.write("@nonsense gpu01 x"))


async def test_no_known_hosts_file_at_all_is_said(server: SshServer, tmp_path: Path) -> None:
    said = await refusal(client_config(server, tmp_path, UserKnownHostsFile=str(tmp_path / "none")))
    assert "There is no known_hosts file" in said


async def test_an_alias_is_known_as_ssh_knows_it(server: SshServer, known: Known) -> None:
    assert await read_ok(known.write(f"gpu01.alias {true_key(server)}", HostKeyAlias="gpu01.alias"))
    said = await refusal(known.write(f"gpu01.alias {known.key('other')}", HostKeyAlias="gpu01.alias"))
    assert f"{known.path}:2" in said


async def test_a_hashed_name_is_found_and_its_line_named(server: SshServer, known: Known) -> None:
    path = known.write(f"{known.place} {known.key('other')}")
    known.hash_names()
    assert known.place not in known.path.read_text()
    assert f"{known.path}:2 has" in await refusal(path)


@pytest.mark.parametrize("value", ["no", "off", "accept-new"])
async def test_keys_are_checked_whatever_the_configuration_asks_for_and_that_is_said(known: Known, value: str) -> None:
    path = known.write(f"elsewhere {known.key('other')}", StrictHostKeyChecking=value)
    connection = HostConnection("gpu01", "gpu01", path)
    with pytest.raises(UnreachableError, match="not known yet"):
        await connection.opened()
    (remark,) = connection.remarks
    assert remark.startswith(f"{path}:8: StrictHostKeyChecking {value} is not obeyed")


async def test_once_known_a_host_is_reached_by_the_same_connection(server: SshServer, known: Known) -> None:
    probe = ProbeOnly(HostConnection("gpu01", "gpu01", known.write(f"elsewhere {known.key('other')}")))
    with pytest.raises(UnreachableError, match="not known yet"):
        await probe.read(Read(("true",)))
    known.write(f"{known.place} {true_key(server)}")
    assert (await probe.read(Read(("true",)))).ok
    await probe.close()


class TestHostCertificates:
    """A host that shows a certificate is known by the authority that signed it."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Path:
        new_key(tmp_path / "ca")
        return tmp_path / "ca"

    async def said(self, folder: Path, authority: Path, line: str, *options: str) -> str:
        """What is said of a host with such a certificate; ``OK`` where it is reached."""
        key = folder / "certified"
        new_key(key)
        certificate = certify(authority, key, "-h", *options)
        lines = (f"HostKey {key}", f"HostCertificate {certificate}")
        with openssh_server(folder / "sshd", *lines) as server:
            known = Known(server, folder)
            path = known.write(line.format(place=known.place))
            try:
                return "OK" if await read_ok(path) else "failed"
            except UnreachableError as error:
                return str(error)

    async def test_by_a_known_authority_it_is_accepted(self, tmp_path: Path, authority: Path) -> None:
        line = f"@cert-authority * {authority.with_suffix('.pub').read_text().strip()}"
        assert await self.said(tmp_path, authority, line, "-n", "127.0.0.1") == "OK"

    async def test_by_another_authority_the_line_is_named(self, tmp_path: Path, authority: Path) -> None:
        line = f"@cert-authority * {new_key(tmp_path / 'other')}"
        said = await self.said(tmp_path, authority, line, "-n", "127.0.0.1")
        assert "a certificate signed by ssh-ed25519 SHA256:" in said
        assert f"{tmp_path / 'known_hosts'}:2" in said

    async def test_for_another_name_it_is_refused(self, tmp_path: Path, authority: Path) -> None:
        line = f"@cert-authority * {authority.with_suffix('.pub').read_text().strip()}"
        assert "certificate that cannot be accepted" in await self.said(tmp_path, authority, line, "-n", "gpu99")

    async def test_expired_it_is_refused(self, tmp_path: Path, authority: Path) -> None:
        line = f"@cert-authority * {authority.with_suffix('.pub').read_text().strip()}"
        said = await self.said(tmp_path, authority, line, "-n", "127.0.0.1", "-V", "20200101:20200102")
        assert "expired" in said

    async def test_by_a_revoked_authority_the_line_is_named(self, tmp_path: Path, authority: Path) -> None:
        public = authority.with_suffix(".pub").read_text().strip()
        said = await self.said(
            tmp_path, authority, f"@cert-authority * {public}\n@revoked * {public}", "-n", "127.0.0.1"
        )
        assert "is revoked" in said
        assert f"{tmp_path / 'known_hosts'}:3" in said
