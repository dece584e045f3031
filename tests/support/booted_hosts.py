"""Throw-away hosts with a real systemd, OpenSSH and sudo, and GPUs that are files: see ``booted/hosts.sh``."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, TypeVar

import pytest

from fleet.hardware import accelerator
from fleet.simulator.cards import cards
from fleet.simulator.physics import Machine
from fleet.simulator.tree import Tree

_HERE = Path(__file__).parent / "booted"
_TREES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpudeck-tests"
_ROOT = Path(__file__).parents[2]
_CANNOT = 77
_PATIENCE = 120
GPUS = 4
MODELS = {"a": (0, 0.4), "b": (0, 0.4), "c": (1, 0.6)}
"""Every host's models: GPU (HIP index) and share of it."""
_PORTS = {"a": 8001, "b": 8002, "c": 8003}
_RESET = """
rm -rf /srv/faults /etc/systemd/system/vllm-*.service.d /run/gpudeck*
systemctl daemon-reload
systemctl stop vllm-a vllm-b vllm-c
systemctl reset-failed vllm-a vllm-b vllm-c
while ls /srv/gpus/sys/class/kfd/kfd/proc/*/vram_* >/dev/null 2>&1; do sleep 0.05; done
sleep 0.1
for port in 8001 8002 8003; do
    systemctl start vllm-$(echo $port | tr -d 80 | tr 123 abc)
    until curl -sf 127.0.0.1:$port/health; do sleep 0.05; done
done
"""


@dataclass(frozen=True)
class BootedHost:
    """One running host."""

    number: int
    directory: Path
    tree: ClassVar[str] = "debian"
    """The root tree it runs on, kept between runs of the tests."""
    settings: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What else its start needs in its environment."""

    @property
    def name(self) -> str:
        """As ssh and the fleet file know it."""
        return f"gpu{self.number}"

    def fleet(self, path: Path) -> Path:
        """A fleet file of this host and its models, written there."""
        host = f"{self.name}: {{address: ops@{self.name}, accelerator: MI300X, gpus: {GPUS}}}"
        models = "".join(
            f"  {name}:\n    source: Qwen/Qwen3-8B\n    engine: vllm 0.9.2\n    place: {self.name}/{gpu}\n"
            f"    service: systemd:vllm-{name}.service\n    url: http://127.0.0.1:{_PORTS[name]}\n    role: chat\n"
            f"    args: {{gpu-memory-utilization: {share}, max-model-len: 8192}}\n"
            for name, (gpu, share) in MODELS.items()
        )
        path.write_text(f"fleet: booted\nssh_config: {self.directory}/ssh_config\nhosts:\n  {host}\nmodels:\n{models}")
        return path

    def sh(self, script: str, stdin: str = "") -> str:
        """What a script of root prints there; it must end well."""
        done = self.ssh(script, stdin)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout.strip()

    def ssh(self, line: str, stdin: str = "", user: str = "root") -> subprocess.CompletedProcess[str]:
        """How that line ended there."""
        return subprocess.run(
            ["ssh", "-F", str(self.directory / "ssh_config"), "-o", "ConnectTimeout=5", "-l", user, self.name, line],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )

    def put(self, path: str, text: str) -> None:
        """A file of root's there holds that text."""
        self.sh(f"mkdir -p $(dirname {path}) && cat >{path}", text)

    def fault(self, model: str, word: str) -> None:
        """The model's engine goes wrong that way from now on."""
        self.sh(f"mkdir -p /srv/faults && echo {word} >/srv/faults/{model}")

    def freeze(self) -> None:
        """Nothing on it goes on, though its kernel still takes connections."""
        self.hosts("freeze")

    def thaw(self) -> None:
        """It goes on."""
        self.hosts("thaw")

    def link(self, state: str) -> None:
        """``down`` cuts its line, ``up`` mends it."""
        subprocess.run(["ip", "link", "set", f"gpudeck{self.number}", state], check=True)

    def reboot(self) -> None:
        """It goes down and comes up again."""
        self.sh("systemd-run --quiet --on-active=0.2 systemctl reboot")

    def reset(self) -> None:
        """All its models serve as their own units say, and nothing is wrong."""
        self.hosts("up")
        self.sh(_RESET)

    def hosts(self, verb: str) -> None:
        """hosts.sh does that to it; skips the test, with the reason, where this machine cannot."""
        done = subprocess.run(
            [str(_HERE / "hosts.sh"), verb, str(self.number)],
            env={
                **os.environ,
                **self.settings,
                "DIR": str(self.directory),
                "TREE": str(_TREES / self.tree),
                "FILES": str(self.directory / "files"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        self.check_possible(done)
        assert done.returncode == 0, done.stderr

    def check_possible(self, done: subprocess.CompletedProcess[str]) -> None:
        """Skip the test where that ended because this machine cannot, unless it is known to."""
        if done.returncode == _CANNOT and self.tree not in os.environ.get("GPUDECK_MUST_BOOT", "").split():
            pytest.skip(done.stderr.strip().removeprefix("hosts: "))


def gpudeck(fleet: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line as its user runs it; what it keeps is beside the fleet file."""
    return subprocess.run(
        [sys.executable, "-m", "console.cli", *words],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "XDG_STATE_HOME": str(fleet.parent / "state")},
        check=False,
    )


def states(fleet: Path) -> dict[str, str]:
    """Of each model its state, as ``gpudeck status`` tells it."""
    models = json.loads(gpudeck(fleet, "status", str(fleet), "--json").stdout)["models"]
    return {model["name"]: model["state"] for model in models}


Host = TypeVar("Host", bound=BootedHost)


@contextmanager
def booted(directory: Path) -> Iterator[BootedHost]:
    """A host that runs inside the block; skips the test, with the reason, where this machine cannot have one."""
    files = directory / "files"
    write_gpu_host(files)
    _write_units(files)
    with running(BootedHost(free_number(), directory)) as host:
        yield host


def free_number() -> int:
    """A number no host of this machine has; hosts of other runs of the tests, too, have theirs from their process."""
    taken = {record.name for record in Path("/run/gpudeck-hosts").glob("*")}
    wanted = (number % 200 + 1 for number in itertools.count(os.getpid()))
    return next(number for number in wanted if str(number) not in taken)


@contextmanager
def running(host: Host) -> Iterator[Host]:
    """That host, with what ``files`` in its folder holds, up and as it should be inside the block."""
    try:
        host.hosts("up")
        host.reset()
        yield host
    finally:
        host.hosts("down")


def write_gpu_host(root: Path) -> None:
    """What a GPU host has that the tree has not: GPUs, an engine, and who may do what."""
    Tree(Machine("booted", cards(accelerator("MI300X"), GPUS), now=0.0), root / "srv/gpus")
    (root / "srv/gpus/proc").rename(root / "unused")
    (root / "srv/gpus/proc").symlink_to("/proc")
    _install(root / "usr/local/bin/vllm", (_HERE / "vllm.py").read_text(), 0o755)
    _install(root / "usr/local/sbin/amdgpu", (_HERE / "amdgpu.py").read_text(), 0o755)
    _install(root / "etc/ssh/sshd_config.d/gpus.conf", "SetEnv PROBE_ROOT=/srv/gpus\n")
    _install(root / "etc/sudoers.d/ops", "ops ALL=(root) NOPASSWD: ALL\n", 0o440)
    _install(root / "etc/systemd/system/amdgpu.service", "[Service]\nExecStart=/usr/local/sbin/amdgpu\n")
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir()
    (wanted / "amdgpu.service").symlink_to("/etc/systemd/system/amdgpu.service")


def _write_units(root: Path) -> None:
    """The models' own units."""
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    gpus = cards(accelerator("MI300X"), GPUS)
    for name, (gpu, share) in MODELS.items():
        unit = (
            "[Unit]\nAfter=amdgpu.service\nStartLimitIntervalSec=60\nStartLimitBurst=3\n"
            f"[Service]\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-{gpus[gpu].unique_id}\n"
            f"ExecStart=/usr/local/bin/vllm serve Qwen/Qwen3-8B --served-model-name {name} --port {_PORTS[name]} "
            f"--gpu-memory-utilization {share} --max-model-len 8192\nRestart=on-failure\nRestartSec=1\n"
        )
        _install(root / f"etc/systemd/system/vllm-{name}.service", unit)
        (wanted / f"vllm-{name}.service").symlink_to(f"/etc/systemd/system/vllm-{name}.service")


def _install(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
