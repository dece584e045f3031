"""A fleet file is read whole, or every problem of it is told with its line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.inventory.loading import FleetFileError, load, load_text
from fleet.inventory.reading import find_fleet_file
from fleet.model import Arguments, Engine, Place

DEMO = Path(__file__).parents[3] / "fleet" / "simulator" / "fleet.yaml"
TEXT = DEMO.read_text(encoding="utf-8")
PATH = Path("fleet.yaml")

GOOD = """\
fleet: small
hosts:
  gpu01:
    address: ops@gpu01
    accelerator: MI300X
    gpus: 8
models:
  llama:
    source: meta-llama/Llama-3.1-8B-Instruct
    engine: vllm 0.9.0
    place: gpu01/0
    url: http://127.0.0.1:8001
    args:
      gpu-memory-utilization: 0.5
"""


def problems(text: str) -> list[str]:
    with pytest.raises(FleetFileError) as raised:
        load_text(text, PATH)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return [str(problem) for problem in raised.value.problems]


def test_the_shipped_demo_fleet_loads() -> None:
    inventory = load(DEMO)
    assert (inventory.fleet, len(inventory.models)) == ("berget-sthlm", 13)
    assert inventory.ssh_config == DEMO.parent / "ssh_config"
    whisper = inventory.model("kb-whisper-large")
    assert (whisper.memory_bytes, whisper.place) == (1_500_000_000, Place("gpu01", (0,)))
    assert inventory.model("mai-ds-r1").place == Place("gpu01", (4, 5, 6))
    assert inventory.host("gpu01").notes == {7: "the rest of this GPU is kept for trying new models"}
    assert [model.name for model in inventory.models if not model.enabled] == ["qwen3-32b", "qwen3-235b"]


def test_a_version_stays_text_and_arguments_keep_their_types() -> None:
    model = load_text(GOOD + "      max-model-len: 32768\n      enforce-eager: true\n", PATH).model("llama")
    assert model.engine == Engine.parse("vllm 0.9.0")
    assert model.args == Arguments({"gpu-memory-utilization": 0.5, "max-model-len": 32768, "enforce-eager": True})


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("    gpus: 8\n", "    gpus: 8\n    gpus: 4\n", "7:5", "gpus"),
        ("    accelerator: MI300X", "    accelerator: MI999", "5:18", "MI999"),
        ("    gpus: 8", "    gpus: eight", "6:11", "whole number"),
        ("    place: gpu01/0", "    place: gpu01/9", "11:12", "gpu01/9"),
        ("    place: gpu01/0", "    place: gpu02/0", "11:12", "gpu02"),
        ("    place: gpu01/0\n", "", "8:3", "place"),
        ("    engine: vllm 0.9.0", "    engine: wllm 0.9.0", "10:13", "wllm"),
        ("    url: http://127.0.0.1:8001", "    url: 127.0.0.1:8001", "12:10", "http"),
        ("    source: meta", "    sauce: meta", "9:5", "source"),
        ("    args:", "    args: 5\n    more:", "13:11", "args"),
        ("fleet: small", "fleet: [small]", "1:8", "fleet"),
        ("      gpu-memory-utilization: 0.5", "      gpu-memory-utilization: [1]", "14:31", "gpu-memory-utilization"),
        ("    address: ops@gpu01\n", "", "3:3", "address"),
        ("    place: gpu01/0", "    place: gpu01/0\n    service: upstart:llama", "12:14", "upstart"),
        ("    place: gpu01/0", "    place: gpu01/0\n    memory: 1.5", "12:13", "unit"),
        ("    engine: vllm 0.9.0", "\tengine: vllm 0.9.0", "10:1", "tab"),
        ("    args:", "    args: {", "13:11", ""),
        ("    args:", "    fit: {min-concurency: 2}\n    args:", "13:11", "did you mean min-concurrency?"),
        ("hosts:", "autopilot: {roles: {chat: {}}}\nhosts:", "2:21", "no model has one."),
        ("hosts:", "telemetry: {prometheus: prometheus.example}\nhosts:", "2:25", "https://"),
        ("hosts:", "telemetry: {prometheus: 'http://me:hunter2@x:9090'}\nhosts:", "2:25", "token_env"),
        ("hosts:", "telemetry: {token_env: TOKEN}\nhosts:", "2:1", "prometheus"),
        ("hosts:", "telemetry: {prometheus: 'http://x', host_lable: node}\nhosts:", "2:37", "did you mean host_label?"),
        ("hosts:", "telemetry: {prometheus: 'http://x', host_label: a-b}\nhosts:", "2:49", "not a label"),
        ("hosts:", "telemetry: {prometheus: 'http://x', hosts: {gpu1: x}}\nhosts:", "2:45", "did you mean gpu01?"),
        ("hosts:", "telemetry: {prometheus: 'http://x', match: {a-b: c}}\nhosts:", "2:45", "not a label"),
        ("hosts:", "telemetry: {prometheus: 'http://x', match: {a: [1]}}\nhosts:", "2:48", "label a of telemetry"),
        ("hosts:", "telemetry: {prometheus: 'http://x', hosts: [a]}\nhosts:", "2:44", "a mapping"),
        ("hosts:", "telemetry: {prometheus: 'http://x', token_env: 'a b'}\nhosts:", "2:48", "not its value"),
        (
            "hosts:",
            "telemetry: {prometheus: 'http://x', token_env: A, token_file: a}\nhosts:",
            "2:51",
            "names its token twice",
        ),
    ],
)
def test_a_bad_file_is_told_with_its_place(old: str, new: str, place: str, words: str) -> None:
    assert old in GOOD
    told = problems(GOOD.replace(old, new))
    assert any(line.startswith(f"fleet.yaml:{place}: ") and words in line for line in told), told


def test_a_secret_in_a_url_is_not_told_again() -> None:
    assert "hunter2" not in str(
        problems(GOOD.replace("hosts:", "telemetry: {prometheus: 'http://a:hunter2@x'}\nhosts:"))
    )


def test_hosts_read_through_prometheus_need_no_address() -> None:
    said = (
        "telemetry:\n  prometheus: https://p.example/monitoring/\n  hosts: {gpu01: ip-10-0-0-1}\n  token_file: token\n"
    )
    text = GOOD.replace("    address: ops@gpu01\n", "").replace("hosts:\n", f"{said}hosts:\n", 1)
    inventory = load_text(text, Path("/etc/gpudeck/fleet.yaml"))
    assert inventory.host("gpu01").address == ""
    server = inventory.prometheus
    assert server is not None
    assert (server.url, server.host_label, dict(server.names)) == (
        "https://p.example/monitoring",
        None,
        {"gpu01": "ip-10-0-0-1"},
    )
    assert (server.token_env, server.token_file) == (None, Path("/etc/gpudeck/token"))


def test_the_documents_example_of_prometheus_loads() -> None:
    text = (DEMO.parents[2] / "docs" / "prometheus.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    everything = re.sub(r"^  # (\w+: )", r"  \1", example, flags=re.MULTILINE)
    for each in (example, everything):
        assert load_text(each, PATH).prometheus
    assert everything.count("#") < example.count("#")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("MI300X", "MI999").replace("gpu01/0", "gpu01/12").replace("vllm 0.9.0", "vllm zero")
    told = problems(text + "    colour: blue\n")
    assert [line.split(":")[1] for line in told] == ["5", "10", "11", "15"]


def test_two_models_on_one_port_are_one_problem_at_the_later_one() -> None:
    second = GOOD[GOOD.index("  llama:") :].replace("llama:", "other:").replace("gpu01/0", "gpu01/1")
    (told,) = problems(GOOD + second)
    assert told.startswith("fleet.yaml:19:10: ")
    assert "8001" in told
    assert "llama" in told


def test_a_disabled_model_needs_no_place() -> None:
    text = GOOD.replace("    place: gpu01/0\n", "    enabled: false\n")
    assert load_text(text, PATH).model("llama").place is None


def test_a_model_is_pinned_only_where_the_file_says_so() -> None:
    assert not load_text(GOOD, PATH).model("llama").pinned
    pinned = GOOD.replace("    place: gpu01/0\n", "    place: gpu01/0\n    pin: true\n")
    assert load_text(pinned, PATH).model("llama").pinned


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("12:30:45", "12:30:45"),
        ("0.9.0", "0.9.0"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("0o17", 15),
        ("0x1f", 31),
        ("010", 10),
        ("1e3", 1000.0),
        ("-2", -2),
    ],
)
def test_scalars_are_those_of_yaml_1_2(word: str, value: object) -> None:
    found = load_text(GOOD + f"      served-model-name: {word}\n", PATH).model("llama").args["served-model-name"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("- a\n- b\n", "not a fleet file"),
        ("fleet: a\n---\nfleet: b\n", "document"),
        ("fleet: !!python/object:os.system x\n", "tag"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n", ""),
        ("fleet: x\nhosts: {}\nmodels: " + "[" * 200 + "]" * 200, ""),
    ],
)
def test_what_is_no_fleet_file_is_told_in_a_sentence(text: str, words: str) -> None:
    assert any(words in line for line in problems(text))


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert problems("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", ["missing", "folder", "latin-1", "large"])
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "fleet.yaml"
    match kind:
        case "folder":
            path.mkdir()
        case "latin-1":
            path.write_bytes("fleet: caf\xe9".encode("latin-1"))
        case "large":
            path.write_bytes(b"# padding\n" * 200_000)
    with pytest.raises(FleetFileError) as raised:
        load(path)
    (problem,) = raised.value.problems
    assert str(path) in str(problem)
    assert str(problem).endswith(".")


def test_what_a_file_holds_cannot_reach_the_terminal() -> None:
    told = problems(GOOD.replace("MI300X", '"\\e[31mMI\\a"'))
    assert not any(ord(character) < 32 for line in told for character in line)


def test_the_fleet_file_is_looked_for_in_order(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    for folder in (here, home):
        folder.mkdir()
    assert find_fleet_file(None, {}, here, home) is None
    (home / "fleet.yaml").touch()
    assert find_fleet_file(None, {}, here, home) == home / "fleet.yaml"
    (here / "fleet.yaml").touch()
    assert find_fleet_file(None, {}, here, home) == here / "fleet.yaml"
    assert find_fleet_file(None, {"GPUDECK_FLEET": "env.yaml"}, here, home) == Path("env.yaml")
    assert find_fleet_file("named.yaml", {"GPUDECK_FLEET": "env.yaml"}, here, home) == Path("named.yaml")


@given(st.text(max_size=300))
@settings(max_examples=150)
def test_no_text_raises_anything_but_a_told_problem(text: str) -> None:
    try:
        load_text(text, PATH)
    except FleetFileError as error:
        assert error.problems


@given(
    st.integers(0, len(TEXT) - 1),
    st.integers(0, 30),
    st.text(alphabet="abc: -[]{}&*!|>'\"%@`#,\n\t0.5", max_size=12),
)
@settings(max_examples=150)
def test_no_slip_in_a_good_file_raises_anything_but_told_problems(at: int, cut: int, put: str) -> None:
    try:
        load_text(TEXT[:at] + put + TEXT[at + cut :], PATH)
    except FleetFileError as error:
        assert all(problem.line >= 1 for problem in error.problems)


COMMANDS = (
    "    restart: ctl restart --gpus {gpus} {arguments}\n    stop: ctl stop {model}\n    status: pgrep -x llama\n"
)


def test_commands_of_the_operators_own_take_the_place_of_a_service() -> None:
    model = load_text(GOOD.replace("    args:\n", f"{COMMANDS}    args:\n"), PATH).model("llama")
    assert model.service == "command:llama"
    assert dict(model.commands)["stop"] == "ctl stop {model}"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("    restart: ctl restart\n", "needs stop: and status: too"),
        (f"    service: systemd:a.service\n{COMMANDS}", "has a service: already"),
        (COMMANDS.replace("{gpus}", "{gpu}"), "{gpu} is neither model, host, gpus, source, url, port, arguments nor"),
        (COMMANDS.replace("ctl stop {model}", '"ctl \'stop"'), "is not a command"),
    ],
)
def test_commands_that_cannot_work_are_told(lines: str, said: str) -> None:
    assert any(said in problem for problem in problems(GOOD.replace("    args:\n", f"{lines}    args:\n")))


@pytest.mark.parametrize("service", ["podman:vllm-llama", "docker:a.b_c", "podman-user:x", "systemd-user:a@b.service"])
def test_every_kind_of_service_can_be_written(service: str) -> None:
    assert load_text(GOOD.replace("    args:\n", f"    service: {service}\n    args:\n"), PATH).model("llama").service


def test_where_a_service_is_made_is_a_path_beside_the_fleet_file() -> None:
    lines = "    service: systemd:a.service\n    service-template: units/a\n    managed: roles/a.service\n    args:\n"
    model = load_text(GOOD.replace("    args:\n", lines), Path("/srv/fleet.yaml")).model("llama")
    assert (model.service_template, model.managed) == (Path("/srv/units/a"), "roles/a.service")
