"""What screens of a rollout share, be it going on or long over: its steps, and the memory of its GPUs as it is now."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from console.changing.plan_memory import Left, left_rows
from console.changing.progress import Progress, progress_rows
from console.screens.base import ConsoleScreen
from widgets.hints import Hints
from widgets.paragraphs import Paragraphs
from widgets.rows import Row, Span


class ProgressScreen(ConsoleScreen):
    """A plan's steps, scrolled to the newest."""

    DEFAULT_CSS = """
    ProgressScreen #memory { dock: top; padding: 0 1; }
    ProgressScreen VerticalScroll { height: 1fr; padding: 0 1; }
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self._current_row = 0

    def compose(self) -> ComposeResult:
        """Memory, steps, last line."""
        yield Paragraphs(id="memory")
        with VerticalScroll():
            yield Paragraphs(id="steps")
        yield Hints()

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one(VerticalScroll).focus()
        self.call_after_refresh(self.show_progress)

    def show_state(self) -> None:
        """Show the memory that was just read."""
        if self.is_up:
            self.query_one("#memory", Paragraphs).show(self.memory_rows)

    def show_progress(self) -> None:
        """Show how far it is."""
        if not self.is_up:
            return
        self.show_state()
        scroll = self.query_one(VerticalScroll)
        self.query_one("#steps", Paragraphs).show(self._rows)
        scroll.scroll_to(y=max(0, self._current_row - scroll.size.height + 4), animate=False)
        self.say(*self.state_words())

    def memory_rows(self, cells: int) -> list[Row]:
        """The memory of the plan's GPUs as it was last read."""
        touched = {gpu for step in self.progress.plan.steps for gpu in step.gpus}
        gpus = (gpu for gpu in self.session.state().gpus if gpu.gpu in touched)
        now = tuple(Left(g.gpu, g.used_bytes, g.used_bytes, g.total_bytes) for g in gpus if g.used_bytes is not None)
        return [(Span("Memory now", "accent"),), *left_rows(now, cells, "  "), ()] if now else []

    def above(self, cells: int) -> Sequence[Row]:
        """What stands above the steps."""
        return ()

    def below(self, cells: int) -> Sequence[Row]:
        """What stands below the steps."""
        return ()

    def state_words(self) -> tuple[str, str]:
        """What the last line says, and its style."""
        return "", "text"

    def _rows(self, cells: int) -> list[Row]:
        above, below = self.above(cells), self.below(cells)
        rows, current = progress_rows(self.progress, self.session.totals, cells)
        self._current_row = len(above) + (len(rows) + len(below) if below else current)
        return [*above, *rows, *below]
