"""A container's own definition, as ``container inspect`` prints it, as the options that make the same container again.

podman keeps the words it was made with. Docker does not: its options are told from what it was given, and a setting
that no option of ``docker create`` gives is refused rather than lost. The environment is left out: it may hold secrets,
and `fleet.services.containers` hands it on without leaving the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.errors import GpudeckError
from fleet.services.container_engine import COMPOSE_FILES, COMPOSE_SERVICE
from fleet.services.docker_run import taken_apart
from fleet.text import clean

_NOT_HANDED_ON = {
    "--name", "--detach", "-d", "--replace", "--quiet", "-q", "--sig-proxy", "--detach-keys",
    "-e", "--env", "--env-file", "--env-host", "--unsetenv", "--unsetenv-all", "--entrypoint",
    "--cidfile", "--pidfile", "--conmon-pidfile",
    "--pull", "--authfile", "--creds", "--tls-verify", "--arch", "--os", "--platform", "--variant",
}  # fmt: skip
"""Of the container's own making, of its environment, or of fetching an image that is here."""

_LISTS = {
    "CapAdd": "--cap-add", "CapDrop": "--cap-drop", "Dns": "--dns", "DnsOptions": "--dns-option",
    "DnsSearch": "--dns-search", "ExtraHosts": "--add-host", "GroupAdd": "--group-add",
    "SecurityOpt": "--security-opt", "DeviceCgroupRules": "--device-cgroup-rule", "Binds": "--volume",
}  # fmt: skip
_PAIRS = {"Sysctls": "--sysctl", "StorageOpt": "--storage-opt"}
_SWITCHES = {
    "Privileged": "--privileged", "PublishAllPorts": "--publish-all", "ReadonlyRootfs": "--read-only",
    "Init": "--init", "OomKillDisable": "--oom-kill-disable",
}  # fmt: skip
_VALUES = {
    "IpcMode": "--ipc", "PidMode": "--pid", "UTSMode": "--uts", "UsernsMode": "--userns", "CgroupnsMode": "--cgroupns",
    "CgroupParent": "--cgroup-parent", "Memory": "--memory", "MemoryReservation": "--memory-reservation",
    "MemorySwap": "--memory-swap", "MemorySwappiness": "--memory-swappiness", "CpuShares": "--cpu-shares",
    "CpuPeriod": "--cpu-period", "CpuQuota": "--cpu-quota", "CpusetCpus": "--cpuset-cpus",
    "CpusetMems": "--cpuset-mems", "PidsLimit": "--pids-limit", "ShmSize": "--shm-size",
    "OomScoreAdj": "--oom-score-adj", "HostsFile": "--hosts-file",
}  # fmt: skip
_USUAL = {
    "IpcMode": ("shareable",), "PidMode": ("private",), "UTSMode": ("private",), "MemorySwappiness": (-1,),
}  # fmt: skip
"""Values beside nothing at all that say no more than the engine would by itself; not every engine takes them."""
_USUAL_RUNTIMES = ("", "runc", "crun", "oci")
_TOLD_ELSEWHERE = {
    "Annotations", "AutoRemove", "ConsoleSize", "ContainerIDFile", "DeviceRequests", "Devices", "Isolation",
    "LogConfig", "MaskedPaths", "Mounts", "NanoCpus", "NetworkMode", "PortBindings", "ReadonlyPaths", "RestartPolicy",
    "Runtime", "Tmpfs", "Ulimits", "VolumeDriver", "VolumesFrom", "CgroupManager", "CgroupMode", "Cgroups",
}  # fmt: skip
_PODMANS_OWN = ("io.container.manager", "io.podman.", "org.opencontainers.image.", "org.systemd.property.")
"""What annotations begin with that podman gives each container by itself."""
_UNIT_LABEL = "PODMAN_SYSTEMD_UNIT"
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def own_options(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The options, beside name, environment and entry point, with which a container was made.

    Raises GpudeckError where it cannot be made again by options, or is another manager's.
    """
    _check_ours_to_make(facts)
    made_by = facts["Config"].get("CreateCommand")
    return tuple(_as_written(facts, made_by) if made_by else _as_told(facts))


def _check_ours_to_make(facts: Mapping[str, Any]) -> None:
    labels = facts["Config"].get("Labels") or {}
    if _UNIT_LABEL in labels:
        unit = clean(str(labels[_UNIT_LABEL]), 80)
        raise _refusal(facts, f"the unit {unit} makes it", f"Write service: systemd:{unit}.")
    if COMPOSE_SERVICE in labels:
        service = clean(str(labels[COMPOSE_SERVICE]), 80)
        file = clean(str(labels.get(COMPOSE_FILES) or "/PATH/compose.yaml").partition(",")[0], 240)
        raise _refusal(facts, "docker compose makes it", f"Write service: compose:{file}:{service}.")
    if facts["HostConfig"].get("AutoRemove"):
        raise _refusal(
            facts, "it is removed when it stops (--rm), so nothing could be put back", "Run it without --rm."
        )


def _refusal(facts: Mapping[str, Any], why: str, way_out: str) -> GpudeckError:
    return GpudeckError(f"{clean(str(facts['Name']).lstrip('/'), 80)} cannot be made again: {why}.", way_out)


def _as_written(facts: Mapping[str, Any], made_by: Sequence[str]) -> Iterator[str]:
    run = taken_apart([str(word) for word in made_by])
    if run is None or (run.command and list(run.command) != facts["Config"].get("Cmd")):
        raise _refusal(facts, "its options cannot be told from its command", "Make it with podman create or run.")
    for name, value, words in run.options:
        if name in ("-v", "--volume", "--mount") and re.search(r"(^|=)\.{1,2}(/|:|$)", value):
            raise _refusal(facts, f"{clean(value, 80)} is relative to a folder nobody knows", "Write the whole path.")
        if name in _NOT_HANDED_ON or _is_anonymous(name, value):
            continue
        cluster = name.replace("d", "") if re.fullmatch(r"-[dit]+", name) else name
        if cluster == name:
            yield from words
        elif cluster != "-":
            yield cluster
    yield from _anonymous_volumes(facts)


def _is_anonymous(option: str, value: str) -> bool:
    """Whether an option asks for a new volume without a name; the one it got is handed on instead."""
    if option == "--mount":
        return "type=volume" in value and not re.search(r"(^|,)(src|source)=", value)
    return option in ("-v", "--volume") and ":" not in value


def _anonymous_volumes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Volumes without a name of their own: the same ones, with what is in them."""
    for mount in facts.get("Mounts") or ():
        if mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(str(mount.get("Name"))):
            yield from ("--volume", f"{mount['Name']}:{mount['Destination']}{'' if mount.get('RW', True) else ':ro'}")


def _as_told(facts: Mapping[str, Any]) -> Iterator[str]:
    host, config = facts["HostConfig"], facts["Config"]
    for key, value in host.items():
        usual = not value or value in _USUAL.get(key, ())
        if key in _TOLD_ELSEWHERE or usual:
            continue
        if key in _LISTS:
            yield from (word for each in value for word in (_LISTS[key], str(each)))
        elif key in _PAIRS:
            yield from (word for name, said in value.items() for word in (_PAIRS[key], f"{name}={said}"))
        elif key in _SWITCHES:
            yield _SWITCHES[key]
        elif key in _VALUES:
            yield from (_VALUES[key], str(value))
        else:
            raise _refusal(facts, f"no option gives it its {clean(key, 40)}", "Remove that setting, or use compose.")
    yield from _limits(host)
    yield from _running(host)
    yield from _network(facts)
    yield from _mounts(facts)
    yield from _devices(facts)
    yield from _process(config)


def _limits(host: Mapping[str, Any]) -> Iterator[str]:
    if host.get("NanoCpus"):
        yield from ("--cpus", f"{host['NanoCpus'] / 1e9:g}")
    for limit in host.get("Ulimits") or ():
        name = str(limit["Name"]).removeprefix("RLIMIT_").lower()
        yield from ("--ulimit", f"{name}={limit['Soft']}:{limit['Hard']}")


def _running(host: Mapping[str, Any]) -> Iterator[str]:
    policy = host.get("RestartPolicy") or {}
    if policy.get("Name") not in (None, "", "no"):
        most = policy.get("MaximumRetryCount")
        yield from ("--restart", f"{policy['Name']}:{most}" if most else str(policy["Name"]))
    if host.get("Runtime", "") not in _USUAL_RUNTIMES:
        yield from ("--runtime", str(host["Runtime"]))
    log = host.get("LogConfig") or {}
    if log.get("Type"):
        yield from ("--log-driver", str(log["Type"]))
    for name, value in (log.get("Config") or {}).items():
        yield from ("--log-opt", f"{name}={value}")
    for name, value in (host.get("Annotations") or {}).items():
        if not name.startswith(_PODMANS_OWN):
            yield from ("--annotation", f"{name}={value}")
    if host.get("MaskedPaths") == [] and not host.get("Privileged"):
        yield from ("--security-opt", "systempaths=unconfined")


def _network(facts: Mapping[str, Any]) -> Iterator[str]:
    host, networks = facts["HostConfig"], (facts.get("NetworkSettings") or {}).get("Networks") or {}
    if len(networks) > 1:
        raise _refusal(facts, "it is in several networks", "Leave it in one, or use compose.")
    mode = str(host.get("NetworkMode") or "default")
    if mode not in ("default", "bridge"):
        yield from ("--network", mode)
        for network in networks.values():
            aliases = [alias for alias in network.get("Aliases") or () if not facts["Id"].startswith(alias)]
            yield from (word for alias in aliases for word in ("--network-alias", str(alias)))
    for port, bindings in (host.get("PortBindings") or {}).items():
        for binding in bindings or ():
            address = f"{binding['HostIp']}:" if binding.get("HostIp") else ""
            yield from ("--publish", f"{address}{binding.get('HostPort', '')}:{port}")
    name = str(facts["Config"].get("Hostname") or "")
    if name and mode != "host" and not mode.startswith("container:") and not facts["Id"].startswith(name):
        yield from ("--hostname", name)


def _mounts(facts: Mapping[str, Any]) -> Iterator[str]:
    host = facts["HostConfig"]
    for mount in host.get("Mounts") or ():
        if set(mount) - {"Type", "Source", "Target", "ReadOnly"}:
            raise _refusal(facts, f"its mount at {clean(str(mount.get('Target')), 80)} has options of its own", "")
        source = f",source={mount['Source']}" if mount.get("Source") else ""
        said = f"type={mount['Type']}{source},target={mount['Target']}"
        yield from ("--mount", f"{said},readonly" if mount.get("ReadOnly") else said)
    for path, options in (host.get("Tmpfs") or {}).items():
        yield from ("--tmpfs", f"{path}:{options}" if options else str(path))
    if host.get("VolumesFrom"):
        raise _refusal(facts, "it takes the volumes of another container", "Name the volumes themselves.")
    yield from _anonymous_volumes(facts)


def _devices(facts: Mapping[str, Any]) -> Iterator[str]:
    for device in facts["HostConfig"].get("Devices") or ():
        permissions = device.get("CgroupPermissions") or "rwm"
        yield from ("--device", f"{device['PathOnHost']}:{device['PathInContainer']}:{permissions}")
    for request in facts["HostConfig"].get("DeviceRequests") or ():
        if request.get("Options") or request.get("Capabilities") != [["gpu"]]:
            raise _refusal(facts, "it asks for devices in a way --gpus does not", "")
        ids = ",".join(request.get("DeviceIDs") or ())
        count = request.get("Count", -1)
        yield from ("--gpus", f'"device={ids}"' if ids else "all" if count == -1 else str(count))


def _process(config: Mapping[str, Any]) -> Iterator[str]:
    for key, option in {"User": "--user", "WorkingDir": "--workdir", "Domainname": "--domainname"}.items():
        if config.get(key):
            yield from (option, str(config[key]))
    if config.get("StopSignal"):
        yield from ("--stop-signal", str(config["StopSignal"]))
    if config.get("StopTimeout"):
        yield from ("--stop-timeout", str(config["StopTimeout"]))
    for name, value in (config.get("Labels") or {}).items():
        yield from ("--label", f"{name}={value}")
    for key, option in {"Tty": "--tty", "OpenStdin": "--interactive"}.items():
        if config.get(key):
            yield option
    test = (config.get("Healthcheck") or {}).get("Test") or [""]
    if test[0] == "NONE":
        yield "--no-healthcheck"
    elif test[0] == "CMD-SHELL":
        yield from ("--health-cmd", str(test[1]))
