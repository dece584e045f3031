"""The helper runs what rollouts run and nothing beside, and writes no drop-in that changes who or what a unit is."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from console.doctor.root_helper import root_helper
from console.doctor.sudo import grants
from fleet.inventory import Host
from fleet.model import Engine, Model, Place
from fleet.services.systemd import HEADER

HOST = Host("gpu01", "ops@gpu01", "MI300X", 8, become="helper")
UNIT = "vllm-a.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/50-gpudeck.conf"
SYSTEMCTL = """\
#!/bin/sh
case $1 in
show) case $2 in *User) echo "${UNIT_USER-nobody}" ;; *) echo no ;; esac ;;
cat) printf '# /etc/systemd/system/vllm-a.service\\n[Service]\\nExecStart=%s serve m\\n' "${PROGRAM-/opt/vllm}"
    printf '# /etc/systemd/system/vllm-a.service.d/50-gpudeck.conf\\n[Service]\\nExecStart=\\nExecStart=/bin/evil\\n' ;;
*) echo "ran $*" ;;
esac
"""
TEE = '#!/bin/sh\necho "wrote $1:"\ncat\n'


def model(name: str, service: str) -> Model:
    return Model(name, Engine("other"), place=Place("gpu01", (0,)), service=service, memory_bytes=1)


MODELS = [model("a", f"systemd:{UNIT}"), model("b", "docker:b")]


@pytest.fixture(params=["sh", "busybox sh"])
def helper(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The helper as a command, with a systemd and a tee that only tell what they were asked."""
    for name, text in {"systemctl": SYSTEMCTL, "tee": TEE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = tmp_path / "gpudeck-root"
    path.write_text(root_helper(HOST, MODELS).replace("\nPATH=", f"\nPATH={tmp_path}:", 1))
    return [*request.param.split(), str(path)]


def ask(helper: list[str], *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*helper, *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
    )


def test_it_allows_every_command_of_a_rollout(helper: list[str]) -> None:
    for grant in grants(HOST, [MODELS[0]]):
        done = ask(helper, "allows", *grant.asked)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), grant.words
    assert ask(helper, "systemctl", "start", UNIT).stdout == f"ran start {UNIT}\n"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("allows",),
        ("sh", "-c", "id"),
        ("systemctl", "stop", "ssh.service"),
        ("systemctl", "stop", UNIT, "ssh.service"),
        ("systemctl", "stop vllm-a.service"),
        ("systemctl|stop", UNIT),
        ("tee", "/etc/passwd"),
        ("tee", f"{DROP_IN}.new", "/etc/passwd"),
        ("rm", "-rf", "/run/gpudeck-rollout.0000/../../etc"),
        ("mkdir", "/run/gpudeck-rollout.*"),
        ("docker", "run", "b"),
    ],
)
def test_it_runs_nothing_beside(helper: list[str], words: tuple[str, ...]) -> None:
    done = ask(helper, *words)
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr.startswith("gpudeck-root: ")


@pytest.mark.parametrize(
    "body",
    [
        "UnsetEnvironment=HIP_VISIBLE_DEVICES\nEnvironment=ROCR_VISIBLE_DEVICES=GPU-1\n",
        'Environment="A=b c"\nExecStart=\nExecStart=/opt/vllm serve m --max-model-len 8192\n',
        "ExecStart=\nExecStart=/usr/bin/env A=1 B=2 /opt/vllm serve m\n",
    ],
)
def test_a_drop_in_of_variables_and_arguments_is_written(helper: list[str], body: str) -> None:
    text = f"{HEADER}[Service]\n{body}"
    done = ask(helper, "tee", f"{DROP_IN}.new", stdin=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {DROP_IN}.new:\n{text}", "")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("User=root\n", "says what no drop-in of gpudeck says"),
        ("ExecStartPre=/bin/evil\n", "says what no drop-in of gpudeck says"),
        (" User=root\n", "says what no drop-in of gpudeck says"),
        ("[Unit]\n", "says what no drop-in of gpudeck says"),
        ("ExecStart=/bin/evil\n", "runs another program"),
        ("ExecStart=+/opt/vllm serve m\n", "runs another program"),
        ("ExecStart=/opt/vllm2 serve m\n", "runs another program"),
        ("ExecStart=/usr/bin/env /bin/evil\n", "runs another program"),
        ('ExecStart=/usr/bin/env "A=b /opt/vllm" /bin/evil\n', "runs another program"),
        ("ExecStart=/opt/vllm serve ; +/bin/evil\n", "has several commands"),
        ("# a comment \\\nUser=root\n", "goes on in the next"),
        ("Environment=A=b \\\n", "goes on in the next"),
    ],
)
def test_a_drop_in_that_changes_who_or_what_runs_is_not_written(helper: list[str], body: str, why: str) -> None:
    done = ask(helper, "tee", f"{DROP_IN}.new", stdin=f"[Service]\n{body}")
    assert (done.returncode, done.stdout) == (126, "")
    assert why in done.stderr
    assert UNIT in done.stderr


@pytest.mark.parametrize("user", ["", "root", "0", "no-such-user"])
def test_a_unit_that_runs_as_root_gets_no_drop_in(helper: list[str], user: str) -> None:
    done = ask(helper, "tee", f"{DROP_IN}.new", stdin="[Service]\n", UNIT_USER=user)
    assert (done.returncode, done.stdout) == (126, "")
    assert "runs as root" in done.stderr


@pytest.mark.parametrize(
    ("program", "written", "status"),
    [
        ("-/opt/vllm", "-/opt/vllm serve n", 0),
        ("-/opt/vllm", "/opt/vllm serve n", 126),
        ("-/opt/vllm", "-/usr/bin/env A=1 /opt/vllm serve n", 0),
        ("/usr/bin/env", "/usr/bin/env A=1 vllm serve n", 0),
        ('"/opt/my vllm"', '"/opt/my evil"', 126),
    ],
)
def test_prefixes_and_names_of_programs_are_compared_as_they_stand(
    helper: list[str], program: str, written: str, status: int
) -> None:
    done = ask(helper, "tee", f"{DROP_IN}.new", stdin=f"[Service]\nExecStart={written}\n", PROGRAM=program)
    assert done.returncode == status, done.stderr


def test_it_says_whom_it_is_for_and_what_it_leaves_out() -> None:
    text = root_helper(HOST, MODELS)
    assert "#   ops ALL=(root) NOPASSWD: /usr/local/sbin/gpudeck-root\n" in text
    assert "it does not run it: b." in text
    assert "left" not in root_helper(replace(HOST), MODELS[:1])
