"""A model's log: followed, searched, held still, wrapped or cut, its lines about memory explained."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.timer import Timer

from console.commands.logs import logged
from console.keys import Where, bindings
from console.logs.kept import LINES, KeptLines, Line
from console.logs.meaning import line_of
from console.screens.base import ConsoleScreen
from console.textual_private import output_backlog
from fleet.errors import GpudeckError
from fleet.telemetry.logs import following
from widgets.hints import Hints
from widgets.log_view import LogView
from widgets.paragraphs import Paragraphs, paragraph
from widgets.prompt import Prompt
from widgets.rows import Row, Span

SEARCH = "/"
FIRST_LINES = 200
"""How far back it reads at first."""
OLDER = 5
"""How many times as far each time that older lines are asked for."""
SHOW_SECONDS = 0.25
WHEEL_ROWS = 3
AT_ONCE = 50
"""Lines that are taken before keys are answered again: of a flood, each takes a tenth of a millisecond."""
AGAIN_SECONDS = 10.0
"""After which a log that ended, or could not be read, is tried again."""


class LogsScreen(ConsoleScreen):
    """Log lines of one model."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.LOGS)]

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model_name = model
        self._kept = KeptLines()
        self._reach = FIRST_LINES
        self._source = "reading its log …"
        self._trouble = ""
        self._searched = ""
        self._news = True
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        """Whose log it is, the lines, the search, the keys."""
        yield Paragraphs(self._title)
        yield LogView(self._kept)
        yield Prompt()
        yield Hints()

    def on_mount(self) -> None:
        """Read and follow."""
        self.hint(Where.LOGS)
        self._view.focus()
        self.set_interval(SHOW_SECONDS, self._show_news)
        self._begin()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a search is typed, keys are text."""
        return not (self.is_up and self.query_one(Prompt).is_open)

    @property
    def _view(self) -> LogView:
        return self.query_one(LogView)

    # reading

    def _begin(self) -> None:
        self.run_worker(self._follow(), exclusive=True, group="logs")

    async def _follow(self) -> None:
        """Take what the log says until it ends; then begin anew a little later."""
        model = self.session.inventory.model(self._model_name)
        try:
            host, service = logged(self.session.inventory, self._model_name)
            self._source = f"{service.name} on {host.name}"
            probe = self.session.probe(host.name)
            command = await following(probe, service, self._reach, host.become)
            async with probe.follow(command) as lines:
                if not self.is_up:  # it was left meanwhile
                    return
                self._kept, self._trouble = KeptLines(), ""
                self._view.show(self._kept)
                self.say("")
                async for line in lines:
                    self._kept.add(line_of(model.engine.name, line))
                    self._news = True
                    if self._kept.end % AT_ONCE == 0:
                        await asyncio.sleep(0)
            self._trouble = "" if self._kept.end else "It has no lines."
        except GpudeckError as error:
            self._trouble = str(error)
        self._news = True
        self._show_news()
        self._wait_to_begin()

    def _wait_to_begin(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(AGAIN_SECONDS, self._begin_again)

    def _begin_again(self) -> None:
        """Unless somebody reads what there is, or has left."""
        if self.is_up and self._view.follows:
            self._begin()
        elif self.is_up:
            self._wait_to_begin()

    def _show_news(self) -> None:
        """Show what came, unless the terminal has not taken the last frame yet."""
        if self._news and self.is_up and not output_backlog(self.console):
            self._news = False
            self._show()

    def _show(self) -> None:
        self._view.redraw()
        self.query_one(Paragraphs).redraw()

    def _title(self, cells: int) -> list[Row]:
        words, style = self._trouble or self._source, "error" if self._trouble else "dim"
        first, *others = paragraph(f"{self._model_name}   {words}", cells - 1, style)
        name = self._model_name
        rows: list[Row] = [(Span(" "), Span(name, "accent"), Span(first[0].text[len(name) :], style)), *others]
        return [*rows, (Span(f" {self._state}", "dim"),)]

    @property
    def _state(self) -> str:
        if not self.is_attached or not self.query(LogView):
            return ""
        view = self._view
        words = ["following" if view.follows else f"held still, {view.below} lines below"]
        words.append(f"{len(self._kept)} lines")
        words += [] if view.wraps else ["long lines cut"]
        if view.match is not None:
            found = self._numbers(lambda line: self._is_match(line))
            at = f"{found.index(view.chosen) + 1} of " if view.chosen in found else ""
            words.append(f"{self._searched!r}: {at}{len(found)}")
        return "   ".join(words)

    # moving about

    def action_scroll(self, rows: int) -> None:
        """Some rows up or down."""
        self._view.scroll_rows(rows)
        self._show()

    def action_page(self, way: int) -> None:
        """A page up or down."""
        self.action_scroll(way * max(1, self._view.size.height - 1))

    def on_mouse_scroll_up(self) -> None:
        """Some rows up."""
        self.action_scroll(-WHEEL_ROWS)

    def on_mouse_scroll_down(self) -> None:
        """Some rows down."""
        self.action_scroll(WHEEL_ROWS)

    def action_home(self) -> None:
        """To the oldest line there is."""
        self._view.go_home()
        self._show()

    def action_end(self) -> None:
        """To the newest line, and follow."""
        self._view.follow()
        self._show()

    def action_pause(self) -> None:
        """Hold still, or follow again."""
        self._view.hold() if self._view.follows else self._view.follow()
        self._show()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self._view.wraps = not self._view.wraps
        self._show()

    def action_older(self) -> None:
        """Read further back."""
        self._reach = min(LINES, self._reach * OLDER)
        self.say(f"reading the last {self._reach} lines")
        self._begin()

    # searching

    def action_search(self) -> None:
        """Type what to look for."""
        self.query_one(Prompt).ask(SEARCH)

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Set off what is typed so far."""
        self._searched = event.text.strip()
        self._view.match = re.compile(re.escape(self._searched), re.IGNORECASE) if self._searched else None
        self._show()

    def on_prompt_submitted(self) -> None:
        """To the newest line that has it."""
        self._view.focus()
        self._view.chosen = None
        self.action_match(-1)

    def on_prompt_cancelled(self) -> None:
        """Look for nothing."""
        self._searched, self._view.match, self._view.chosen = "", None, None
        self._view.focus()
        self._show()

    def action_match(self, way: int) -> None:
        """To the next line that has what was looked for, or the one before."""
        if self._view.match is None:
            self.say("Nothing is looked for: / asks for it.", "warning")
        else:
            self._go(self._is_match, way, f"{self._searched!r} is in none of these lines; o reads older ones.")

    def action_error(self, way: int) -> None:
        """To the error before, or the next."""
        self._go(lambda line: line.level == "error", way, "There is no error in these lines; o reads older ones.")

    def _is_match(self, line: Line) -> bool:
        return self._view.match is not None and self._view.match.search(line.text) is not None

    def _numbers(self, wanted: Callable[[Line], bool]) -> list[int]:
        return [number for number, line in self._kept if wanted(line)]

    def _go(self, wanted: Callable[[Line], bool], way: int, where_none: str) -> None:
        """To the line before (-1) or after (1) the one pointed at; beyond the last, from the other end again."""
        found, here = self._numbers(wanted), self._view.chosen
        if not found:
            self.say(where_none, "warning")
            return
        self.say("")
        if way < 0:
            self._view.point_at(next((n for n in reversed(found) if here is None or n < here), found[-1]))
        else:
            self._view.point_at(next((n for n in found if here is None or n > here), found[0]))
        self._show()

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss()
