"""A real podman with a storage of its own, and Docker's command line on its socket. Needs root; asks no registry."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleet.commands import Answer, Command

PATIENCE = 60
IMAGE = "localhost/gpudeck-test"
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""
_RECIPE = """\
FROM scratch
COPY . /
ENV OF_THE_IMAGE=1
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["sleep 1000"]
"""
_APPLETS = ("sh", "sleep", "cat", "ls", "env")


class RealPodman:
    """What a host with podman looks like to whoever runs commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(_CONTAINERS)
        storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(storage)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
        }

    def run(self, command: Command) -> Answer:
        """Run a command as sshd would: one line for a shell."""
        done = subprocess.run(
            ["sh", "-c", command.line],
            input=command.stdin,
            env=self.environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def run_all(self, commands: Sequence[Command]) -> None:
        """Run commands that have to succeed."""
        for command in commands:
            answer = self.run(command)
            assert answer.ok, f"{command.line}: {answer.stderr}"

    def do(self, *words: str) -> str:
        """Run these words, which have to succeed; what they print, without the last line break."""
        answer = self.run(Command(words))
        assert answer.ok, f"{words}: {answer.stderr}"
        return answer.stdout.rstrip("\n")


@contextmanager
def real_podman(folder: Path) -> Iterator[RealPodman]:
    """podman with one image, of busybox. Raises LookupError with the reason where this machine cannot run it."""
    _check_machine()
    podman = RealPodman(folder)
    try:
        _build(podman)
        yield podman
    finally:
        podman.run(Command(("podman", "rm", "--all", "--force", "--time", "0")))
        podman.run(Command(("podman", "rmi", "--all", "--force")))
        _unmount(folder)


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise LookupError("only root can run podman here")
    missing = [tool for tool in ("podman", "runc", "busybox", "netavark") if _found(tool) is None]
    if missing:
        raise LookupError(f"not installed: {', '.join(missing)}")


def _found(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman")


def _build(podman: RealPodman) -> None:
    context = podman.folder / "image"
    busybox = _found("busybox") or ""
    linked = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        target = context / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library, target)
        target.chmod(0o755)
    (context / "bin").mkdir(parents=True)
    shutil.copy(busybox, context / "bin/busybox")
    for applet in _APPLETS:
        (context / "bin" / applet).symlink_to("busybox")
    (context / "Dockerfile").write_text(_RECIPE)
    built = podman.run(Command(("podman", "build", "--quiet", "--tag", IMAGE, str(context))))
    tried = podman.run(Command(("podman", "run", "--rm", "--network", "host", IMAGE, "exit 7")))
    if tried.exit_status != 7:
        raise LookupError(f"podman cannot run a container here: {(built.stderr + tried.stderr).strip()[-300:]}")


def _unmount(folder: Path) -> None:
    """podman leaves its storage mounted over itself."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", path], check=False, capture_output=True)


@contextmanager
def docker_on(podman: RealPodman) -> Iterator[None]:
    """podman answering as Docker's daemon while the block lasts."""
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", podman.environment["DOCKER_HOST"], "--log-level=info"],
        env=podman.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stderr is not None
        ready, _, _ = select.select([service.stderr], [], [], PATIENCE)
        assert ready, "podman's service does not say that it listens"
        line = next((line for line in service.stderr if "listening" in line.lower()), None)
        assert line is not None, "podman's service ended"
        yield
    finally:
        service.terminate()
        service.communicate(timeout=PATIENCE)
