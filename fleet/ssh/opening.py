"""Opening a connection as the ssh configuration says, hop by hop. Imported when the first one is opened.

Every hop of a ProxyJump is opened here and not by asyncssh, which would hand neither our time limits nor our
host key checking on to the jump host.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import asyncssh

from fleet.errors import UnreachableError
from fleet.ssh.address import Address
from fleet.ssh.host_keys import Client, KnownHosts, files_to_read
from fleet.ssh.refusals import Target, refusal
from fleet.text import clean

CONNECT_SECONDS = 10.0
"""Time for connecting and logging in, where the configuration has no ConnectTimeout."""
KEEPALIVE_SECONDS = 3.0
KEEPALIVE_MISSES = 2
"""A silent peer is given up after KEEPALIVE_SECONDS x (KEEPALIVE_MISSES + 1)."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What the ssh configuration says of one address."""

    target: Target
    known_hosts: KnownHosts
    jumps: tuple[str, ...]
    identities: tuple[str, ...] | None
    """The key files it names and that exist; None = it names none, the usual ones are tried."""


async def open_connection(
    name: str, address: str, ssh_config: Path | None
) -> tuple[asyncssh.SSHClientConnection, Client]:
    """Connect and log in. Raises UnreachableError, with a sentence for each way it can fail."""
    return await _open(name, address, ssh_config, None, ())


async def _open(
    name: str,
    address: str,
    ssh_config: Path | None,
    tunnel: asyncssh.SSHClientConnection | None,
    trail: tuple[str, ...],
) -> tuple[asyncssh.SSHClientConnection, Client]:
    try:
        if address in trail:
            raise UnreachableError(
                f"The jump hosts of {trail[0]} go round in a circle at {address}.",
                "Correct ProxyJump in the ssh configuration.",
            )
        route = await asyncio.to_thread(_route, name, address, ssh_config)
        if tunnel is None:
            for jump in route.jumps:
                tunnel, _ = await _open(f"jump host {jump}", jump, ssh_config, tunnel, (*trail, address))
        client = Client(route.known_hosts)
        connection = await _log_in(route, client, tunnel)
    except BaseException:
        if tunnel is not None:
            tunnel.close()
        raise
    connection.set_tunnel(tunnel)
    return connection, client


def _route(name: str, address: str, ssh_config: Path | None) -> _Route:
    if ssh_config is not None and not ssh_config.is_file():
        raise UnreachableError(
            f"{name} cannot be reached: there is no ssh configuration {ssh_config}.",
            "Correct ssh_config in the fleet file, or leave it out for ~/.ssh/config.",
        )
    try:
        parsed = Address.parse(address)
        options = asyncssh.SSHClientConnectionOptions(client_keys=None, **_asked(parsed, ssh_config))
    except (OSError, ValueError, asyncssh.Error) as error:
        raise UnreachableError(
            f"{name} cannot be reached: {clean(str(error))}.",
            "Correct its address in the fleet file, or the ssh configuration.",
        ) from error
    target = Target(
        name,
        address,
        options.username,
        options.host,
        options.port,
        ssh_config,
        options.connect_timeout or CONNECT_SECONDS,
    )
    named = cast("list[str] | None", options.config.get("IdentityFile"))
    return _Route(
        target,
        KnownHosts(files_to_read(options.known_hosts)),
        _jumps(options.tunnel, parsed),
        None if named is None else tuple(file for file in named if Path(file).expanduser().is_file()),
    )


def _asked(address: Address, ssh_config: Path | None) -> dict[str, object]:
    asked = {
        "host": address.host,
        "username": address.user,
        "port": address.port,
        "config": None if ssh_config is None else [str(ssh_config)],
    }
    return {key: value for key, value in asked.items() if value is not None}


def _jumps(configured: object, own: Address) -> tuple[str, ...]:
    jumps = tuple(configured.split(",")) if isinstance(configured, str) else ()
    # as OpenSSH does, so that a jump host may be named under "Host *"
    return () if jumps and Address.parse(jumps[0]).host == own.host else jumps


async def _log_in(
    route: _Route, client: Client, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    target = route.target
    named = {} if route.identities is None else {"client_keys": list(route.identities), "ignore_encrypted": True}
    try:
        return await asyncssh.connect(
            **_asked(Address.parse(target.address), target.ssh_config),
            **named,
            tunnel=tunnel,
            known_hosts=client.known_hosts.entries,
            client_factory=lambda: client,
            agent_forwarding=False,
            connect_timeout=target.timeout,
            login_timeout=target.timeout,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVE_MISSES,
        )
    except (OSError, ValueError, asyncssh.Error) as error:
        raise refusal(target, client, error) from error
