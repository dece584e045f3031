"""The wallboard: readable across a room, the worst first, turning only while all is well, quiet at night."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest
from command_line import gpudeck
from recorded_demo import RecordedSession, recorded_snapshot
from rich.style import Style

from console.ascii import ascii_text
from console.session import Session
from console.wall import WallApp
from console.wall_turning import DWELL_SECONDS, Turning
from fleet.findings import Severity
from fleet.inventory.loading import load_text
from fleet.readings import HostReading, HostSnapshot, Link, ServiceReading, ServiceWord
from fleet.state import FleetState
from fleet.units import GiB, parse_day_hours
from widgets.large import large, large_height, large_width, largest_scale
from widgets.rows import Row, width
from widgets.wall_board import WallBoard, dimmed, frame, text_of
from widgets.wall_view import WallAlert, WallView, hosts_worst_first, trouble

SIZES = [(78, 23), (80, 24), (100, 30), (120, 36), (160, 48), (200, 60)]
THREE_HOSTS = """
fleet: three
hosts:
  gpu01: {address: gpu01, accelerator: MI300X, gpus: 8}
  gpu02: {address: gpu02, accelerator: MI300X, gpus: 8}
  gpu03: {address: gpu03, accelerator: MI300X, gpus: 8}
"""


def drawn(state: FleetState, size: tuple[int, int] = (160, 48), host: str = "gpu01", notice: str = "") -> list[Row]:
    return frame(WallView(state, host, "14:02", notice=notice), *size)


def well(state: FleetState) -> FleetState:
    """The same fleet with nothing to say of it."""
    return replace(state, findings=())


def three(tmp_path: Path, links: Mapping[str, Link]) -> FleetState:
    """Three hosts that do nothing, with these links."""
    session = Session(load_text(THREE_HOSTS, tmp_path / "fleet.yaml"), state_folder=tmp_path)
    gpus = tuple(replace(gpu, used_bytes=GiB) for gpu in recorded_reading().gpus)
    for name, link in links.items():
        reading = replace(recorded_reading(), gpus=gpus, processes=())
        session.board.publish(HostSnapshot(name, link, "", 1000.0, reading))
    return session.state(1000.5)


def recorded_reading() -> HostReading:
    reading = recorded_snapshot().reading
    assert reading is not None
    return reading


def failed(session: Session, model: str) -> FleetState:
    snapshot = recorded_snapshot()
    services = MappingProxyType({**snapshot.services, model: ServiceReading(ServiceWord.FAILED)})
    session.board.publish(replace(snapshot, services=services))
    return session.state()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_the_picture_fills_its_screen_exactly(session: RecordedSession, size: tuple[int, int]) -> None:
    rows = drawn(session.state(), size, notice="Recording has paused: there is no room.")
    assert len(rows) == size[1]
    assert {width(row) for row in rows if row} == {size[0]}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_tiles_alike_all_have_the_unit_or_none_has(session: RecordedSession, size: tuple[int, int]) -> None:
    text = text_of(drawn(session.state(), size))
    assert text.count("/192.0 GiB") in (0, text.count("/192.0"))


@pytest.mark.parametrize("size", [(1, 1), (10, 3), (20, 10), (60, 20), (80, 8)], ids=str)
def test_a_screen_that_is_too_small_is_no_reason_to_raise(session: RecordedSession, size: tuple[int, int]) -> None:
    assert len(drawn(session.state(), size)) <= max(size[1], 2)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_what_matters_is_written_large_enough_for_the_other_end_of_the_room(
    session: RecordedSession, size: tuple[int, int]
) -> None:
    """At five metres a figure should be 25 mm high; a 40 inch screen is 498 mm high."""
    millimetres = 498 / size[1]
    text = text_of(drawn(session.state(), size))
    for gpu in session.state().gpus:
        assert gpu.used_bytes is not None
        percent = str(100 * gpu.used_bytes // gpu.total_bytes)
        scales = [scale for scale in range(1, 20) if all(line.rstrip() in text for line in large(percent, scale))]
        assert scales, f"{gpu.gpu} is not written in blocks"
        assert 2.5 * max(scales) * millimetres >= 25


def test_a_large_text_is_as_wide_and_high_as_said() -> None:
    for scale in (1, 2, 3, 4):
        lines = large("gpu01 lost 100%", scale)
        assert len(lines) == large_height(scale)
        assert {len(line) for line in lines} == {large_width("gpu01 lost 100%", scale)}
    assert largest_scale("88", 27, 10) == 3
    assert largest_scale("88", 6, 10) == 0
    assert len(large("ü\x1b", 1)[0]) == 7


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_where_there_is_only_ascii_large_figures_are_made_of_whole_cells(
    session: RecordedSession, size: tuple[int, int]
) -> None:
    text = text_of(frame(WallView(session.state(), "gpu01", "14:02", coarse=True), *size))
    assert not {"▀", "▄"} & set(text)
    assert "██" in text
    assert "?" not in ascii_text(text)


def test_all_is_well_while_nothing_is_wrong(session: RecordedSession) -> None:
    assert trouble(well(session.state())).words == "all well"
    assert trouble(session.state()).severity is Severity.WARNING


def test_the_gpu_of_a_failed_model_comes_first_and_the_model_is_named(session: RecordedSession) -> None:
    state = failed(session, "gemma-3-27b")
    text = text_of(drawn(state, (80, 24)))
    assert trouble(state).words == "1 down"
    assert "gemma-3-27b failed on gpu01/7" in text
    first_tile = next(line for line in text.splitlines() if line.startswith("█ "))
    assert first_tile.startswith("█ 7 ")


def test_gpus_stay_where_they_are_while_only_their_figures_change(session: RecordedSession) -> None:
    state = well(session.state())
    text = text_of(drawn(state, (80, 24)))
    order = [text.index(f"{gpu.used_bytes / GiB:.1f}/") for gpu in state.gpus if gpu.used_bytes]
    assert order == sorted(order)


def test_a_lost_host_says_so_large_and_its_figures_are_not_shown_as_of_now(session: RecordedSession) -> None:
    session.board.publish(recorded_snapshot(Link.LOST, "gpu01 has given no reading for 10 s."))
    state = session.state(1000.0 + 200)
    rows = drawn(state)
    assert trouble(state).words == "gpu01 lost"
    assert any(large("gpu01 lost", scale)[1] in text_of(rows) for scale in range(2, 6))
    assert "lost 3 min" in text_of(rows)
    assert text_of(rows).count("LOST") == 8
    assert "°C" not in text_of(rows)
    assert text_of(rows).count("was ") == 8
    scale = next(scale for scale in range(9, 0, -1) if large("--", scale)[2 * scale] in text_of(rows))
    assert scale > 1


def test_link_and_age_of_every_host_are_in_the_last_line_the_worst_after_the_one_that_is_shown(tmp_path: Path) -> None:
    state = three(tmp_path, {"gpu01": Link.LIVE, "gpu02": Link.LIVE, "gpu03": Link.STALE})
    (last,) = drawn(state)[-1:]
    assert text_of([last]) == " ▸ gpu01 live < 10 s   gpu03 stale < 10 s   gpu02 live < 10 s"
    assert large("gpu01", 1)[0].rstrip() in text_of(drawn(state))
    assert "\n gpu01\n" in text_of(drawn(state, (80, 24)))


def test_hosts_take_turns_only_while_all_is_well(tmp_path: Path) -> None:
    live = dict.fromkeys(("gpu01", "gpu02", "gpu03"), Link.LIVE)
    state = three(tmp_path, live)
    turning = Turning()
    seen = [turning.host(state, DWELL_SECONDS * turn / 2) for turn in range(8)]
    assert seen == ["gpu01", "gpu01", "gpu02", "gpu02", "gpu03", "gpu03", "gpu01", "gpu01"]

    lost = three(tmp_path, live | {"gpu03": Link.LOST})
    assert hosts_worst_first(lost)[0].name == "gpu03"
    assert {turning.host(lost, DWELL_SECONDS * turn) for turn in range(4, 40)} == {"gpu03"}
    assert turning.host(state, DWELL_SECONDS * 41) == "gpu01"


def test_a_figure_beyond_its_threshold_is_said_and_stops_the_turning_if_it_is_an_error(tmp_path: Path) -> None:
    state = three(tmp_path, dict.fromkeys(("gpu01", "gpu02", "gpu03"), Link.LIVE))
    alert = WallAlert(Severity.ERROR, "gpu01/0: junction temperature is 95 °C, above 90 °C.")
    rows = frame(WallView(state, "gpu01", "14:02", (alert,)), 160, 48)
    assert trouble(state, [alert]).words == "1 error"
    assert alert.text in text_of(rows)
    turning = Turning()
    assert {turning.host(state, DWELL_SECONDS * turn, [alert]) for turn in range(9)} == {"gpu01"}


def test_more_gpus_than_fit_are_counted(tmp_path: Path) -> None:
    text = THREE_HOSTS.replace("gpus: 8", "gpus: 64", 1)
    session = Session(load_text(text, tmp_path / "fleet.yaml"), state_folder=tmp_path)
    rows = drawn(session.state(1000.0), (80, 24))
    assert len(rows) == 24
    assert "more GPUs of gpu01" in text_of(rows)


def test_night_goes_past_midnight() -> None:
    night = parse_day_hours("22:00-06:30")
    assert [night.holds(clock) for clock in ("21:59", "22:00", "00:00", "06:29", "06:30", "14:02")] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert str(night) == "22:00-06:30"


async def test_at_night_everything_but_trouble_has_less_light(wall_app: WallApp) -> None:
    wall_app.time_of_day = lambda: "23:00"
    async with wall_app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        board = wall_app.screen.query_one(WallBoard)
        _, night = board._look_now()
        wall_app.time_of_day = lambda: "12:00"
        wall_app.show_state()
        base, day = board._look_now()
    assert night["warning"] == day["warning"]
    assert night["strong"] == dimmed(base + day["strong"]) != day["strong"]
    assert dimmed(Style(color="red")).dim


async def test_the_picture_moves_so_that_it_does_not_burn_in(wall_app: WallApp) -> None:
    now = [0.0]
    wall_app.monotonic = lambda: now[0]
    seen = set()
    async with wall_app.run_test(size=(160, 48)) as pilot:
        for minutes in range(0, 24, 2):
            now[0] = 60.0 * minutes
            wall_app.show_state()
            await pilot.pause()
            board = wall_app.screen.query_one(WallBoard)
            lines = [board.render_line(y).text for y in range(48)]
            top = next(y for y, line in enumerate(lines) if "gpudeck" in line)
            seen.add((lines[top].index("gpudeck"), top))
    assert len(seen) == 6


async def test_that_recording_has_paused_stays_in_sight_until_it_goes_on(wall_app: WallApp) -> None:
    sentence = "Recording has paused: there is no room for fleet.history; it goes on when there is."
    async with wall_app.run_test(size=(120, 36)) as pilot:
        recording = SimpleNamespace(words=sentence, close=lambda: None)
        wall_app._recording = recording  # type: ignore[assignment]
        wall_app._tick()
        await pilot.pause()
        board = wall_app.screen.query_one(WallBoard)
        assert any(sentence in board.render_line(y).text for y in range(36))
        recording.words = ""
        wall_app._tick()
        await pilot.pause()
        assert not any("ecord" in board.render_line(y).text for y in range(36))


async def test_a_wallboard_that_has_shown_hundreds_of_frames_holds_no_more_than_before(
    wall_app: WallApp, session: RecordedSession
) -> None:
    now = [0.0]
    wall_app.monotonic = lambda: now[0]
    snapshot = recorded_snapshot()
    assert snapshot.reading is not None

    async def show(frames: int) -> int:
        for _ in range(frames):
            now[0] += 30.0
            moved = tuple(replace(gpu, power_w=now[0] % 613) for gpu in reading.gpus)
            session.board.publish(replace(snapshot, reading=replace(reading, gpus=moved)))
            wall_app.show_state()
            await pilot.pause()
        gc.collect()
        return len(gc.get_objects())

    async with wall_app.run_test(size=(80, 24)) as pilot:
        reading = snapshot.reading
        before = await show(40)
        after = await show(160)
    assert after < before * 1.05


def test_one_frame_is_printed_of_a_fleet_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "ssh_config").write_text("Host gpu0*\n  HostName 127.0.0.1\n  Port 1\n", encoding="utf-8")
    fleet = THREE_HOSTS.replace("fleet: three", "fleet: three\nssh_config: ssh_config")
    (tmp_path / "fleet.yaml").write_text(fleet, encoding="utf-8")
    done = gpudeck("wall", "--once", str(tmp_path / "fleet.yaml"), HOME=str(tmp_path), COLUMNS="100", LINES="30")
    assert done.returncode == 3, done.stderr
    assert len(done.stdout.splitlines()) == 30
    assert "gpu01 unreachable" in done.stdout
    assert any(large("3 hosts lost", scale)[1].rstrip() in done.stdout for scale in (1, 2))


def test_hours_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(THREE_HOSTS, encoding="utf-8")
    done = gpudeck("wall", "--once", "--night", "25-7", str(tmp_path / "fleet.yaml"))
    assert done.returncode == 2
    assert "22:00-06:00" in done.stderr
