"""Why a host could not be reached, as sentences. Imported when a connection is opened."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from fleet.errors import UnreachableError
from fleet.ssh.host_keys import Client, KnownLine, RefusedKey
from fleet.text import clean


@dataclass(frozen=True, slots=True)
class Target:
    """Where one connection, or one hop of it, goes."""

    name: str
    """What the sentences call it: ``gpu01``, or ``jump host bastion``."""
    address: str
    """As written, for ``ssh ADDRESS``."""
    user: str
    host: str
    port: int
    ssh_config: Path | None
    timeout: float
    """Seconds allowed for connecting and logging in."""
    key_alias: str | None = None
    """What known_hosts calls it, where the configuration says so (HostKeyAlias)."""

    @property
    def known_as(self) -> tuple[str, str, int]:
        """Host, address and port that known_hosts is asked for."""
        return self.key_alias or self.host, "", self.port

    @property
    def ssh_line(self) -> str:
        """The command an operator would type to log in there."""
        return f"ssh -F {self.ssh_config} {self.address}" if self.ssh_config else f"ssh {self.address}"

    def __str__(self) -> str:
        return f"{self.name} ({self.host}, port {self.port})"


def refusal(target: Target, client: Client, error: BaseException) -> UnreachableError:
    """The sentence for what went wrong while connecting to a target or logging in there."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _host_key_refusal(target, client, error.reason)
    if isinstance(error, asyncssh.PermissionDenied):
        return UnreachableError(
            f"{target} refused the user {target.user}: it takes none of our keys.",
            f"See that {target.ssh_line} asks for no password; a key with a passphrase must be in the agent.",
        )
    if isinstance(error, TimeoutError) or "Login timeout" in str(error):
        return UnreachableError(
            f"{target} did not answer within {target.timeout:g} s.",
            "It may be down, frozen, or behind a firewall.",
        )
    if isinstance(error, asyncssh.ChannelOpenError):
        return UnreachableError(
            f"{target} cannot be reached from its jump host: {clean(error.reason)}.",
            "Check the address as seen from the jump host, and that its sshd allows forwarding.",
        )
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError | BrokenPipeError):
        return UnreachableError(
            f"{target} closed the connection before the login was done.",
            "Its sshd may be restarting, or turning away too many logins at once (MaxStartups).",
        )
    if isinstance(error, OSError):
        return _network_refusal(target, error)
    return UnreachableError(f"{target} could not be logged in to: {clean(str(error))}.", f"Try {target.ssh_line}.")


def _host_key_refusal(target: Target, client: Client, reason: str) -> UnreachableError:
    """What known_hosts has against a host, each case with its own way out."""
    known = client.known_hosts.about(*target.known_as)
    revoked = [line for line in known if line.marker == "@revoked"]
    if "revoked" in reason and revoked:
        return UnreachableError(
            f"{target} shows a key that is revoked: {_listed(revoked)} withdraws {_keys(revoked)}.",
            "Do not log in there before whoever runs the host says why.",
        )
    if client.refused is None:
        return UnreachableError(
            f"{target} shows a host certificate that cannot be accepted: {clean(reason)}.",
            "Ask whoever runs the host for a certificate that is valid now and names it as we call it.",
        )
    return _unvouched(target, client, client.refused, known)


def _unvouched(target: Target, client: Client, shown: RefusedKey, known: list[KnownLine]) -> UnreachableError:
    own = [line for line in known if not line.marker]
    authorities = [line for line in known if line.marker == "@cert-authority"]
    what = f"a certificate signed by {shown.key}" if shown.authority else f"the key {shown.key}"
    if others := own or authorities:
        return UnreachableError(
            f"{target} shows another host key than the one known, so it has changed: it shows {what}, and "
            f"{_listed(others)} has {_keys(others)}. Someone may be between us and the host, or it was installed anew.",
            f"Only if it was: {_forget(shown, others)}, then log in once with {target.ssh_line}.",
        )
    files = " and ".join(str(path) for path in client.known_hosts.files)
    return UnreachableError(
        f"{target} is not known yet: it shows {what}, and {files} has no key for it.",
        f"Check the fingerprint with whoever runs the host, then log in once with {target.ssh_line}.",
    )


def _forget(shown: RefusedKey, lines: list[KnownLine]) -> str:
    if any(line.marker for line in lines):
        return f"correct {_listed(lines)}"
    return f"ssh-keygen -R '{shown.host}' -f {lines[0].path}"


def _listed(lines: list[KnownLine]) -> str:
    return ", ".join(str(line) for line in lines)


def _keys(lines: list[KnownLine]) -> str:
    return ", ".join(clean(line.key) or "a key that cannot be read" for line in lines)


def _network_refusal(target: Target, error: OSError) -> UnreachableError:
    if isinstance(error, ConnectionRefusedError):
        return UnreachableError(
            f"{target} refused the connection: nothing listens there.", "Check the port, and that sshd runs."
        )
    if isinstance(error, socket.gaierror):
        return UnreachableError(
            f"{target} has a name nobody knows.",
            "Check the address in the fleet file and the ssh configuration.",
        )
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return UnreachableError(f"There is no route to {target}.", "Check the network, or a VPN.")
    return UnreachableError(f"{target} could not be reached: {clean(str(error))}.", f"Try {target.ssh_line}.")
