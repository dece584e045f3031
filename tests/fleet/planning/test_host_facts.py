"""What is read of a host before anything stops: by a real shell here, and as a real systemctl prints it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from fleet.commands import Answer, Read
from fleet.planning.prechecks.host_facts import (
    parse_active,
    parse_paths,
    parse_ports,
    parse_units,
    paths_command,
    ports_command,
)

UNIT = """\
Type=notify
TimeoutStartUSec=1min 30s
EnvironmentFiles=/etc/models/a b.env (ignore_errors=no)
EnvironmentFiles=/etc/default/vllm (ignore_errors=yes)
EnvironmentFiles=/etc/models/*.env (ignore_errors=no)
Id=a.service
Requires=system.slice sysinit.target b.service
Conflicts=shutdown.target c.service
Wants=
RequiredBy=
BoundBy=gateway.service
ConsistsOf=gateway.service metrics.service
"""


def run(command: Read) -> Answer:
    done = subprocess.run(command.words, capture_output=True, text=True, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_a_unit_says_how_long_its_start_may_take_and_what_goes_along_with_it() -> None:
    unit = parse_units(["a.service"], Answer(0, UNIT, ""))["a.service"]
    assert (unit.waits, unit.start_seconds) == (True, 90)
    assert unit.environment_files == ("/etc/models/a b.env",)
    assert unit.stops == ("gateway.service", "metrics.service")
    assert (unit.starts, unit.conflicts) == (("b.service",), ("c.service",))


def test_a_simple_unit_waits_for_nothing_unless_something_runs_after_its_start() -> None:
    simple = UNIT.replace("notify", "simple").replace("1min 30s", "infinity")
    hooked = simple + "ExecStartPost={ path=/usr/bin/curl ; argv[]=/usr/bin/curl }\n"
    units = parse_units(["a.service", "b.service"], Answer(0, f"{simple}\n{hooked}", ""))
    assert [unit.waits for unit in units.values()] == [False, True]
    assert units["a.service"].start_seconds is None


def test_what_was_not_printed_as_asked_is_not_known() -> None:
    assert parse_units(["a.service", "b.service"], Answer(0, UNIT, "")) == {}
    assert parse_units(["a.service"], Answer(1, UNIT, "")) == {}
    assert parse_active(["a.service"], Answer(1, "ActiveState=active\n", "")) == frozenset()
    assert parse_active(["a", "b"], Answer(0, "ActiveState=active\n\nActiveState=failed\n", "")) == {"a"}


def test_ports_are_those_somebody_listens_on() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        taken = {server.getsockname()[1], six.getsockname()[1]}
        assert taken <= parse_ports(run(ports_command()))
    assert parse_ports(Answer(0, "sl local\n0: x:zz y 0A\n1: 0:1F41 0 0A\n", "")) == {8001}


def test_paths_are_there_or_certainly_not_and_say_what_everybody_may_read(tmp_path: Path) -> None:
    secret, closed, gone = tmp_path / "a b.env", tmp_path / "closed.env", tmp_path / "no" / "such" / "file"
    secret.write_text("# HF_TOKEN=1\nHF_TOKEN=qwertz\nMODE=fast\n  API_KEY=\nexport X_SECRET=1\n")
    closed.write_text("HF_TOKEN=qwertz\n")
    secret.chmod(0o644)
    closed.chmod(0o600)
    paths = [str(secret), str(closed), str(gone), "relative/file"]
    answer = run(paths_command(paths))
    assert "qwertz" not in answer.stdout
    facts = parse_paths(paths, answer)
    assert [facts[path].missing for path in paths] == [False, False, True, True]
    assert (facts[str(secret)].open_secrets, facts[str(closed)].open_secrets) == (("HF_TOKEN",), ())
    assert all((facts[path].free_bytes or 0) > 0 for path in paths)


def test_a_hostile_print_is_bounded_and_never_raises() -> None:
    assert parse_paths(["/a"], Answer(0, "0\n\n9 missing\nx y z\n0 there 12 \x1b[31mHF_TOKEN\n", "")).keys() == {"/a"}
