"""Throw-away hosts with a real systemd, OpenSSH and sudo, and GPUs that are files: see ``booted/hosts.sh``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.hardware import accelerator
from fleet.simulator.cards import cards
from fleet.simulator.physics import Machine
from fleet.simulator.tree import Tree

_HERE = Path(__file__).parent / "booted"
_TREE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpudeck-tests" / "debian"
_CANNOT = 77
GPUS = 4
MODELS = {"a": (0, 0.4), "b": (0, 0.4), "c": (1, 0.6)}
"""Every host's models: GPU (HIP index) and share of it."""
_PORTS = {"a": 8001, "b": 8002, "c": 8003}
_RESET = """
rm -rf /srv/faults /home/ops/.gpudeck-steps /etc/systemd/system/vllm-*.service.d /run/gpudeck*
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
        done = subprocess.run(
            ["ssh", "-F", str(self.directory / "ssh_config"), "-o", "ConnectTimeout=5", self.name, script],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    def put(self, path: str, text: str) -> None:
        """A file of root's there holds that text."""
        self.sh(f"mkdir -p $(dirname {path}) && cat >{path}", text)

    def fault(self, model: str, word: str) -> None:
        """The model's engine goes wrong that way from now on."""
        self.sh(f"mkdir -p /srv/faults && echo {word} >/srv/faults/{model}")

    def freeze(self) -> None:
        """Nothing on it goes on, though its kernel still takes connections."""
        _hosts(self.directory, "freeze", str(self.number))

    def thaw(self) -> None:
        """It goes on."""
        _hosts(self.directory, "thaw", str(self.number))

    def link(self, state: str) -> None:
        """``down`` cuts its line, ``up`` mends it."""
        subprocess.run(["ip", "link", "set", f"gpudeck{self.number}", state], check=True)

    def reboot(self) -> None:
        """It goes down and comes up again."""
        self.sh("systemd-run --quiet --on-active=0.2 systemctl reboot")

    def reset(self) -> None:
        """All its models serve as their own units say, and nothing is wrong."""
        _hosts(self.directory, "up", str(self.number))
        self.sh(_RESET)


@contextmanager
def booted(directory: Path) -> Iterator[BootedHost]:
    """A host that runs inside the block; skips the test, with the reason, where this machine cannot have one.

    Its number is its address, and so the machine's: by ours, another run of the tests has another.
    """
    host = BootedHost(os.getpid() % 200 + 1, directory)
    files = directory / "files"
    _write_files(files)
    try:
        _hosts(directory, "up", str(host.number), FILES=str(files))
        host.reset()
        yield host
    finally:
        _hosts(directory, "down", str(host.number))


def _hosts(directory: Path, *words: str, **environment: str) -> None:
    done = subprocess.run(
        [str(_HERE / "hosts.sh"), *words],
        env={**os.environ, "DIR": str(directory), "TREE": str(_TREE), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == _CANNOT and "GPUDECK_MUST_BOOT" not in os.environ:
        pytest.skip(done.stderr.strip().removeprefix("hosts: "))
    assert done.returncode == 0, done.stderr


def _write_files(root: Path) -> None:
    """What a GPU host has that the tree has not: GPUs, an engine, its units, and who may do what."""
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
