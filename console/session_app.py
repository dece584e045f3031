"""What the console and the wallboard share: a session whose hosts are read while its screens are shown."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.filter import LineFilter, NoColor
from textual.screen import Screen

from console import collecting
from console.ascii import Ascii, wants_ascii
from console.settings import Settings
from console.textual_private import FirstPicture, FirstPictureOnce, output_backlog, rebind, write_sequence
from console.themes import THEMES, theme_for
from fleet.errors import GpudeckError

if TYPE_CHECKING:
    from console.alerts.alert import Alert
    from console.alerts.live import LiveAlerts
    from console.fleet_file import FleetFile, News
    from console.history.recording import LiveRecording
    from console.session import Session
    from fleet.inventory import Inventory

TICK_SECONDS = 0.5
LOOK_BACK_SECONDS = 300.0


class SessionApp(FirstPictureOnce):
    """An application over one session. The empty first screen is painted before anything is reckoned or read."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    CSS = """
    Input, Input:focus { border: round $accent; }
    PlanScreen Input, PlanScreen Input:focus { border: round $error; }
    Prompt Input, Prompt Input:focus, ValueLine, ValueLine:focus { border: none; }
    """

    def __init__(
        self,
        session: Session,
        *,
        check: Callable[[], Inventory] | None = None,
        prepare: Callable[[], Awaitable[object]] | None = None,
        live: bool = True,
        time_of_day: Callable[[], str] | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        remark: str = "",
    ) -> None:
        """An app over a session; it reads the hosts, but never where ``live`` is False.

        Where the session knows only the outline of its fleet file, ``check`` reads it whole after the first paint.
        ``prepare`` is called before that, and the hosts are read once what it gives back is done.
        ``remark`` is what the operator is told first.
        """
        super().__init__(watch_css=False)
        self.first_picture = FirstPicture()
        self.session = session
        self.settings = settings or Settings()
        self._remark = remark
        self.time_of_day = time_of_day or hours_and_minutes
        self._check = check
        self._prepare = prepare
        self._before_reading: Awaitable[object] | None = None
        self._live = live
        self._environment = os.environ if environment is None else environment
        self._no_colour, self._ascii = NoColor(), Ascii()
        self._set_filters()
        self._begin_in_theme()
        self._failure: GpudeckError | None = None
        self._recording: LiveRecording | None = None
        self._alerts: LiveAlerts | None = None
        self._troubles: dict[str, str] = {}
        self._news = True
        self._shown_at = ""

    def get_default_screen(self) -> Screen[None]:
        """The screen that is painted first."""
        raise NotImplementedError

    def show_state(self) -> None:
        """Show the session's newest state."""
        raise NotImplementedError

    def tell(self, message: str, style: str = "text") -> None:
        """Tell the operator something. A wallboard has nobody to tell: it shows `troubles`."""

    def start(self) -> None:
        """Run until the operator leaves. Raises GpudeckError where the hosts could not even be prepared."""
        try:
            self.run(mouse=self.settings.wants_mouse(self._environment))
        finally:
            for kept in (self._recording, self._alerts):
                if kept is not None:
                    kept.close()
        if self._failure is not None:
            raise self._failure

    def on_mount(self) -> None:
        """Take what the settings and the line say; everything else comes after the first paint."""
        rebind(self, self.settings.keys)
        if "SSH_CONNECTION" in self._environment:
            self.animation_level = "none"

    def on_ready(self) -> None:
        """The first picture is painted: go on to what is in it."""
        self.call_after_refresh(self._end_first_picture)
        self._open()

    def _end_first_picture(self) -> None:
        self.first_picture = None

    def look(self, settings: Settings) -> None:
        """Look as these settings say, from now on."""
        self.settings = settings
        self._set_filters()
        self.theme = theme_for(self._environment, settings.theme).name
        self.refresh_css(animate=False)

    def _begin_in_theme(self) -> None:
        """Have the theme before any style is read: every style that another theme left behind would be read again."""
        for theme in THEMES.values():
            self.register_theme(theme)
        self.set_reactive(App.theme, theme_for(self._environment, self.settings.theme).name)
        self.stylesheet.set_variables(self.get_css_variables())

    def _set_filters(self) -> None:
        self._no_colour.enabled = bool(self._environment.get("NO_COLOR"))
        wanted = self.settings.glyphs == "auto" and wants_ascii(self._environment)
        self._ascii.enabled = wanted or self.settings.glyphs == "ascii"

    @property
    def is_ascii(self) -> bool:
        """Whether everything is drawn in ASCII."""
        return self._ascii.enabled

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What is done to every line that is drawn: colours taken away, signs made ASCII."""
        ours = (self._no_colour, self._ascii)
        return [*super().get_line_filters(), *(each for each in ours if each.enabled)]

    def _open(self) -> None:
        """Read whole what was painted from its outline, and begin."""
        collecting.resume()
        if self._prepare is not None:
            self._before_reading = asyncio.ensure_future(self._prepare())
        try:
            if self._check is not None:
                self.session.settle(self._check())
        except GpudeckError as error:
            self._failure = error
            self.exit()
        else:
            self._begin()

    def _begin(self) -> None:
        if self._remark:
            self.tell(self._remark, "warning")
        self.session.board.subscribe(lambda _: self._mark_news())
        self.set_interval(TICK_SECONDS, self._tick)
        if self._live:
            from console.history.recording import LiveRecording

            self._recording = LiveRecording(self.session)
            self.run_worker(self._read_hosts(), group="watch")
            self.run_worker(self._look_back(), group="look back")
            self._begin_alerts(self._recording)
        self._tick()

    def _begin_alerts(self, recording: LiveRecording) -> None:
        alerts = self.session.inventory.alerts
        if alerts is None:
            return
        from console.alerts.live import LiveAlerts

        live = LiveAlerts(
            self.session, alerts, recording.add, environment=self._environment, time_of_day=self.time_of_day
        )
        self._alerts = live
        self.run_worker(self._look_for_alerts(live), group="alerts")
        if live.webhook:
            self.run_worker(live.webhook.run(), group="webhook")

    async def _look_for_alerts(self, live: LiveAlerts) -> None:
        from console.alerts.live import LOOK_SECONDS
        from console.alerts.recorded import standing_alerts
        from console.history.recording import path_of

        path, fleet = path_of(self.session), self.session.inventory.fleet
        with suppress(GpudeckError):  # what is wrong with the file, its writer says
            live.resume(await asyncio.to_thread(standing_alerts, path, fleet, time.time()))
        while True:
            write_sequence(self, live.look())
            await asyncio.sleep(LOOK_SECONDS)

    async def _read_hosts(self) -> None:
        try:
            await self.session.watch(self._before_reading)
        except GpudeckError as error:
            self._failure = error
            self.exit()

    async def _look_back(self) -> None:
        from console.history.recording import path_of, recorded_peaks

        while True:
            with suppress(GpudeckError):  # what is wrong with the file, its writer says
                path = path_of(self.session)
                self.session.peaks = await asyncio.to_thread(recorded_peaks, path, self.session.inventory)
            await asyncio.sleep(LOOK_BACK_SECONDS)

    def _mark_news(self) -> None:
        self._news = True

    def _tick(self) -> None:
        """Show what is new, unless the application is ending or the terminal has not taken the last frame yet."""
        if not self.is_running or output_backlog(self) > 0:
            return
        self._tell_of_trouble()
        self._look_at_fleet_file()
        now = self.time_of_day()
        if self._news or self.session.is_late or now != self._shown_at:
            self._news, self._shown_at = False, now
            self.show_state()

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is in anybody's hands that another fleet file would pull away."""
        return True

    @cached_property
    def fleet_file(self) -> FleetFile:
        """The file the fleet was read from, and whether somebody changed it."""
        from console.fleet_file import FleetFile  # after the first paint

        return FleetFile(self.session)

    def _look_at_fleet_file(self) -> None:
        news = self.fleet_file.look() if self.is_at_rest else None
        if news is not None:
            self.hear(news)

    def hear(self, news: News) -> None:
        """Tell of the fleet file, and show it where it is taken."""
        self.tell(news.words, news.style)
        self._news |= news.is_taken

    @property
    def alerts(self) -> LiveAlerts | None:
        """What looks for alerts; None where the fleet file has none, or nothing is read."""
        return self._alerts

    def figures_beyond(self) -> tuple[Alert, ...]:
        """The alerts that stand of figures, which no finding tells of."""
        if self._alerts is None or self.session.inventory.alerts is None:
            return ()
        rules = {rule.name for rule in self.session.inventory.alerts.rules if rule.quantity}
        return tuple(alert for alert in self._alerts.standing if alert.rule in rules)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with gpudeck itself at the moment, as sentences."""
        return tuple(filter(None, (self._remark, *self._troubles.values())))

    def _tell_of_trouble(self) -> None:
        for kept, well in (
            (self._recording, "Readings are recorded again."),
            (self._alerts, "Alerts get through again."),
        ):
            words = kept.words if kept else ""
            if words != self._troubles.get(well, ""):
                self._troubles[well] = words
                self._news = True
                self.tell(words or well, "warning" if words else "text")


def hours_and_minutes() -> str:
    """The time of day; no ticking seconds, since each would be a repaint."""
    return datetime.now().astimezone().strftime("%H:%M")
