"""The simulated host as its clients meet it: over SSH, with asyncssh and with the OpenSSH client."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator

import asyncssh
import pytest

from fleet.inventory import Inventory
from fleet.inventory.loading import load
from fleet.readings import HostReading
from fleet.services.systemd import Systemd
from fleet.simulator.child import Demo, start_demo
from fleet.ssh.connection import HostConnection
from fleet.ssh.operator import Operator
from fleet.telemetry.frames import FrameReader, script
from fleet.telemetry.join import join
from fleet.units import GiB

openssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no OpenSSH client")
PATIENCE = 60


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("demo") / "with a blank"
    with start_demo(directory, speed=100) as demo:
        asyncio.run(demo.ready())
        yield demo


@pytest.fixture
def inventory(demo: Demo) -> Inventory:
    return load(demo.fleet_file)


@pytest.fixture
async def connection(demo: Demo) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with asyncssh.connect("gpu01", config=[str(demo.directory / "ssh_config")]) as connection:
        yield connection


def ssh(demo: Demo, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the OpenSSH client with nothing but the demo's own configuration."""
    command = ["ssh", "-F", str(demo.directory / "ssh_config"), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False)


def frames(output: str) -> list[HostReading]:
    reader = FrameReader()
    return [join(frame) for line in output.splitlines() if (frame := reader.feed(line))]


async def gone(pid: int) -> None:
    """Wait until a process that is nobody's child here has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], PATIENCE)
        assert ready, f"process {pid} did not end"
    finally:
        os.close(descriptor)


def test_the_files_a_client_needs_are_there(demo: Demo) -> None:
    key = demo.directory / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {path.name for path in demo.directory.iterdir()} >= {"fleet.yaml", "ssh_config", "known_hosts", "key"}


def test_the_fleet_file_leads_to_the_ssh_configuration(demo: Demo, inventory: Inventory) -> None:
    assert inventory.ssh_config == demo.directory / "ssh_config"
    assert inventory.host("gpu01").address == "ops@gpu01"


@openssh
def test_the_openssh_client_runs_a_command(demo: Demo) -> None:
    done = ssh(demo, "gpu01", "echo out; echo err >&2; pwd; exit 7")
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (7, "out", "err\n")
    assert done.stdout.splitlines()[1].endswith("/hosts/gpu01/home")


@openssh
def test_the_openssh_client_gets_a_prompt(demo: Demo) -> None:
    done = ssh(demo, "-tt", "gpu01", stdin="systemctl is-active whisper\nexit 3\n")
    assert "ops@gpu01:~$ " in done.stdout
    assert "\nactive\n" in done.stdout
    assert done.returncode == 3


@openssh
def test_the_probe_reads_all_that_serves(demo: Demo) -> None:
    (reading,) = frames(ssh(demo, "gpu01", "exec sh -s", stdin=script()).stdout)
    owners = {process.owner for process in reading.processes}
    assert len(reading.gpus) == 8
    assert len(owners) == 11
    assert 190 * GiB < (reading.gpus[1].used_bytes or 0) < 192 * GiB
    assert all(gpu.power_w and gpu.temperature_c for gpu in reading.gpus)


@openssh
def test_a_tunnel_reaches_an_engine_at_its_declared_port(demo: Demo) -> None:
    request = "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = ssh(demo, "-W", "127.0.0.1:8001", "gpu01", stdin=request).stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert json.loads(body)["data"][0]["id"] == "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 8012), ("127.0.0.1", 22), ("127.0.0.1", 8999), ("192.0.2.1", 8001)]
)
async def test_any_other_tunnel_is_refused(connection: asyncssh.SSHClientConnection, host: str, port: int) -> None:
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_connection(host, port)


@pytest.mark.parametrize("user", ["root", "nobody"])
async def test_only_the_operator_logs_in(demo: Demo, user: str) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect("gpu01", username=user, config=[str(demo.directory / "ssh_config")])


async def test_another_key_is_refused(demo: Demo) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect("gpu01", config=[str(demo.directory / "ssh_config")], client_keys=[stranger])


async def test_a_session_knows_nothing_of_the_consoles_environment(
    connection: asyncssh.SSHClientConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = str((await connection.run("env")).stdout)
    names = {line.partition("=")[0] for line in printed.splitlines()}
    assert names == {
        "PATH", "PROBE_ROOT", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "SSH_CONNECTION", "PWD",
    }  # fmt: skip


async def test_a_script_on_standard_input_is_not_eaten_by_the_hosts_commands(
    connection: asyncssh.SSHClientConnection,
) -> None:
    done = await connection.run("sh -s", input="systemctl is-active whisper\nsudo true\necho last\n")
    assert done.stdout == "active\nlast\n"


async def test_large_output_arrives_whole(connection: asyncssh.SSHClientConnection) -> None:
    done = await connection.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert len(str(done.stdout)) == 3_000_000


async def test_the_log_is_followed_over_a_restart_to_the_last_line(
    connection: asyncssh.SSHClientConnection,
) -> None:
    unit = "vllm-gemma-3-27b.service"
    async with connection.create_process(f"journalctl -u {unit} -n 1 -o cat -f --no-pager") as log:
        assert str(await log.stdout.readline()) == "INFO:     Application startup complete.\n"
        await connection.run(f"sudo -n -- systemctl restart {unit}", check=True)
        seen = []
        async with asyncio.timeout(PATIENCE):
            async for line in log.stdout:
                seen.append(str(line).rstrip("\n"))
                if seen[-1] == "INFO:     Application startup complete.":
                    break
    assert seen[0] == f"Stopping {unit} - google/gemma-3-27b-it on vllm 0.9.0..."
    assert any("Loading safetensors checkpoint shards: 100%" in line for line in seen)


async def test_a_closed_channel_ends_everything_its_session_started(
    connection: asyncssh.SSHClientConnection,
) -> None:
    process = await connection.create_process("sleep 1000 & echo $!; sleep 1000")
    background = int(await process.stdout.readline())
    process.close()
    await gone(background)


async def test_a_signal_reaches_the_session(connection: asyncssh.SSHClientConnection) -> None:
    process = await connection.create_process("trap 'echo caught; exit 5' TERM; echo ready; while :; do read x; done")
    assert await process.stdout.readline() == "ready\n"
    process.send_signal("TERM")
    done = await process.wait()
    assert (done.stdout, done.exit_status) == ("caught\n", 5)


async def test_the_consoles_own_commands_move_a_model(inventory: Inventory) -> None:
    """Everything the console uses for it: overlay text, quoting, connection, probe."""
    host, model = inventory.host("gpu01"), inventory.model("kb-whisper-large")
    operator = Operator(HostConnection(host.name, host.address, inventory.ssh_config))
    try:
        service = Systemd(str(model.service).partition(":")[2], host.become)
        definition = service.parse_definition(await operator.read(service.definition()))
        target = (await _reading(operator)).gpus[7].identity
        overlay = service.overlay(
            definition,
            definition.argv,
            {"HIP_VISIBLE_DEVICES": None, "ROCR_VISIBLE_DEVICES": f"GPU-{target.unique_id}"},
        )
        for command in (service.stop(), *service.write_overlay(overlay), service.start()):
            answer = await operator.write(command)
            assert (answer.ok, answer.stderr) == (True, "")
        healthy = False
        async with asyncio.timeout(PATIENCE):
            async with operator.follow(service.logs(1, follow=True)) as lines:
                async for line in lines:
                    if "Uvicorn running" in line:
                        break
            while not healthy:
                healthy = (await operator.get(f"{model.url}/health")).status == 200
        (whisper,) = [p for p in (await _reading(operator)).processes if p.owner == model.service]
        assert [pci for pci, _ in whisper.bytes_by_gpu] == [target.pci]
        undo = [*service.remove_overlay(), service.stop(), service.start()]
        assert all([(await operator.write(command)).ok for command in undo])
    finally:
        await operator.close()


async def _reading(operator: Operator) -> HostReading:
    reader = FrameReader()
    async with operator.stream(script()) as lines:
        async for line in lines:
            if frame := reader.feed(line):
                return join(frame)
    raise AssertionError("the probe ended without a frame")
