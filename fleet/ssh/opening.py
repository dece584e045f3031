"""Opening a connection as the ssh configuration says, hop by hop. Imported when the first one is opened.

Every hop of a ProxyJump is opened here and not by asyncssh, which would hand neither our time limits nor our
host key checking on to the jump host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.config import SSHConfig

from fleet.errors import UnreachableError
from fleet.ssh.address import Address
from fleet.ssh.configuration import Disobeyed, read_configuration
from fleet.ssh.host_keys import Client, KnownHosts, files_to_read
from fleet.ssh.jumps import Jumps
from fleet.ssh.refusals import Target, refusal
from fleet.text import clean

CONNECT_SECONDS = 10.0
"""Time for connecting and logging in, where the configuration has no ConnectTimeout."""
KEEPALIVE_SECONDS = 3.0
KEEPALIVE_MISSES = 2
"""A silent peer is given up after KEEPALIVE_SECONDS x (KEEPALIVE_MISSES + 1)."""

CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Asked for before any other, where the configuration names none: asyncssh's own first choice costs it twice as much
for each packet."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What the ssh configuration says of one address."""

    target: Target
    options: asyncssh.SSHClientConnectionOptions
    known_hosts: KnownHosts
    jumps: tuple[str, ...]
    identities: tuple[str, ...] | None
    """The key files it names and that exist; None = it names none, the usual ones are tried."""
    agent_keys: tuple[str, ...]
    """Public halves of the only keys the agent is to be asked for; empty = any it holds."""
    host_key_algorithms: tuple[str, ...]
    """What kinds of host key to ask for, best first; empty = as the configuration says."""
    disobeyed: tuple[Disobeyed, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """What all hops of one way to a host share."""

    ssh_config: Path | None
    jumps: Jumps
    tell: Callable[[Disobeyed], None]
    """Told of each line of the configuration that is not obeyed."""


async def open_connection(name: str, address: str, journey: Journey) -> tuple[asyncssh.SSHClientConnection, Client]:
    """Connect and log in. Raises UnreachableError, with a sentence for each way it can fail."""
    return await _open(name, address, journey, (), ())


async def _open(
    name: str, address: str, journey: Journey, via: tuple[str, ...], trail: tuple[str, ...]
) -> tuple[asyncssh.SSHClientConnection, Client]:
    """Open one hop, through the jump hosts ``via`` or else those its configuration names."""
    route = await asyncio.to_thread(_route, name, address, journey.ssh_config)
    for line in route.disobeyed:
        journey.tell(line)
    tunnel, leave = await _tunnel(via or route.jumps, journey, (*trail, address))
    client = Client(route.known_hosts, leave)
    try:
        return await _log_in(route, client, tunnel), client
    except BaseException:
        leave()
        raise


async def _tunnel(
    jumps: tuple[str, ...], journey: Journey, trail: tuple[str, ...]
) -> tuple[asyncssh.SSHClientConnection | None, Callable[[], None]]:
    """The connection to the last of some jump hosts, and what ends our use of it."""
    if not jumps:
        return None, lambda: None
    *before, last = jumps
    if last in trail:
        raise UnreachableError(
            f"The jump hosts of {trail[0]} go round in a circle at {last}.",
            "Correct ProxyJump in the ssh configuration.",
        )

    async def opening() -> asyncssh.SSHClientConnection:
        connection, _ = await _open(f"jump host {last}", last, journey, tuple(before), trail)
        return connection

    return await journey.jumps.through((journey.ssh_config, jumps), f"jump host {last}", opening)


def _route(name: str, address: str, ssh_config: Path | None) -> _Route:
    if ssh_config is not None and not ssh_config.is_file():
        raise UnreachableError(
            f"{name} cannot be reached: there is no ssh configuration {ssh_config}.",
            "Correct ssh_config in the fleet file, or leave it out for ~/.ssh/config.",
        )
    try:
        parsed = Address.parse(address)
        configuration = read_configuration(parsed, ssh_config)
    except (OSError, ValueError, asyncssh.Error) as error:
        raise UnreachableError(
            f"{name} cannot be reached: {clean(str(error))}.",
            "Correct its address in the fleet file, or the ssh configuration.",
        ) from error
    options = configuration.options
    target = Target(
        name,
        address,
        options.username,
        options.host,
        options.port,
        ssh_config,
        options.connect_timeout or CONNECT_SECONDS,
        options.host_key_alias,
    )
    known_hosts = KnownHosts(files_to_read(options.known_hosts))
    return _Route(
        target,
        options,
        known_hosts,
        _jumps(options.tunnel, parsed),
        identities=_existing(options.config.get("IdentityFile")),
        agent_keys=_agent_keys(options.config),
        host_key_algorithms=() if options.config.get("HostKeyAlgorithms") else known_hosts.algorithms(*target.known_as),
        disobeyed=configuration.disobeyed,
    )


def _existing(named: object) -> tuple[str, ...] | None:
    if not isinstance(named, list):
        return None
    return tuple(str(file) for file in named if Path(file).expanduser().is_file())


def _agent_keys(config: SSHConfig) -> tuple[str, ...]:
    """Where only the named keys may be used, a key with a passphrase is known to the agent by its public half."""
    named = _existing(config.get("IdentityFile")) or ()
    if not config.get("IdentitiesOnly"):
        return ()
    halves = (Path(f"{file.removesuffix('.pub')}{end}").expanduser() for file in named for end in (".pub", "-cert.pub"))
    return tuple(str(path) for path in halves if path.is_file())


def _jumps(configured: object, own: Address) -> tuple[str, ...]:
    jumps = tuple(configured.split(",")) if isinstance(configured, str) else ()
    # as OpenSSH does, so that a jump host may be named under "Host *"
    return () if jumps and Address.parse(jumps[0]).host == own.host else jumps


async def _log_in(
    route: _Route, client: Client, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    target = route.target
    named = () if route.identities is None else list(route.identities)
    try:
        return await asyncssh.connect(
            route.options.orig_host,
            options=route.options,
            config=None,
            tunnel=tunnel,
            known_hosts=client.known_hosts.entries,
            server_host_key_algs=route.host_key_algorithms,
            encryption_algs=() if route.options.config.get("Ciphers") else CIPHERS,
            client_factory=lambda: client,
            client_keys=named,
            ignore_encrypted=True,
            agent_identities=route.agent_keys,
            agent_forwarding=False,
            connect_timeout=target.timeout,
            login_timeout=target.timeout,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVE_MISSES,
        )
    except (OSError, ValueError, asyncssh.Error) as error:
        raise refusal(target, client, error) from error
