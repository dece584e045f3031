"""The plan screen: what is lost, now beside after, each step with its commands. Only from here a plan is applied."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from console.changing.confirming import questions
from console.changing.plan_memory import Left, left_rows, memory_after, now_and_after
from console.changing.plan_text import Confirmation, headline, losses, step_words, wants_name
from console.changing.planning import plan_changes
from console.keys import Where, bindings
from console.screens.base import ConsoleScreen
from console.session import ReadOnlyError
from fleet.errors import GpudeckError
from fleet.inventory.changes import sentence as change_sentence
from fleet.planning.plan import Plan, Step
from fleet.units import duration
from widgets.findings_list import SIGNS
from widgets.hints import Hints
from widgets.line import Line
from widgets.paragraphs import Paragraphs, paragraph, sentence
from widgets.rows import Row, Span, ends


class PlanScreen(ConsoleScreen):
    """The draft as ordered steps."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.PLAN)]
    DEFAULT_CSS = """
    PlanScreen #headline { dock: top; padding: 0 1; }
    PlanScreen VerticalScroll { height: 1fr; padding: 0 1; }
    PlanScreen #asking { display: none; dock: bottom; height: auto; margin-bottom: 1; }
    PlanScreen #asking Paragraphs { padding: 0 1; }
    PlanScreen.-asking #asking { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan | None = None
        self._asked: list[Confirmation] = []
        """What is still to be typed."""

    def compose(self) -> ComposeResult:
        """The loss, the plan, and the line in which a name is typed."""
        yield Paragraphs(sentence("Reading the hosts, to plan from what really runs …", "dim"), id="headline")
        with VerticalScroll():
            yield Paragraphs(id="plan")
        with Vertical(id="asking"):
            yield Paragraphs(id="question")
            yield Line()
        yield Hints()

    def on_mount(self) -> None:
        """Make the plan."""
        self.hint(Where.PLAN)
        self.say(self.mode, "warning")
        self.query_one(VerticalScroll).focus()
        self.run_worker(self._make(), exclusive=True)

    async def _make(self) -> None:
        try:
            plan = await plan_changes(self.session, self.session.changes)
        except GpudeckError as error:
            self.query_one("#headline", Paragraphs).show(sentence(f"{error.title}: {error}", "error"))
            return
        self.show_plan(plan)

    def show_plan(self, plan: Plan) -> None:
        """Show this plan."""
        self._plan = plan
        self.say(self.mode, "warning")
        production = [host for host in plan.hosts if self.session.inventory.host(host).production]
        now, after, memory = self.session.now(), self.session.after(), memory_after(plan, self.session.totals)
        self.query_one("#headline", Paragraphs).show(lambda width: headline_rows(plan, production, width))
        self.query_one("#plan", Paragraphs).show(
            lambda width: [
                *(now_and_after(plan, now, after, width) if after else ()),
                *plan_rows(plan, memory, width),
            ]
        )

    def action_apply(self) -> None:
        """Carry the plan out; a loss that lasts, a closed window and production want a word typed first."""
        if self.session.is_read_only:
            way_out = f"{self.key('plan.copy')} copies the commands for an operator."
            self.say(str(ReadOnlyError(way_out)), "warning")
            return
        if self._plan is None:
            self.say("There is no plan to carry out yet.", "warning")
            return
        if not (self._plan.steps or self._plan.changes):
            self.say("There is nothing to apply.", "warning")
            return
        if not self._plan.steps:
            problem = self.session.operating.follow_what_stands(self.session, self._plan)
            self.dismiss()
            self.console.tell(problem or "It runs so already; the fleet file follows.", "error" if problem else "good")
            return
        self._asked = list(questions(self._plan, self.session.inventory))
        self._ask_next()

    def _ask_next(self) -> None:
        if not self._asked:
            assert self._plan is not None, "asked about a plan"
            self.session.operating.open_rollout(self.console, self._plan)
            return
        self.add_class("-asking")
        words = f"{self._asked[0].question}, or press {self.key('plan.close')} to go back."
        self.query_one("#question", Paragraphs).show(sentence(words, "error"))
        line = self.query_one(Input)
        line.value = ""
        line.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The typed name decides."""
        event.stop()
        if event.value.strip() != self._asked[0].word:
            self.say(f"That is not {self._asked[0].word}; nothing was done.", "warning")
            return
        self._asked.pop(0)
        self._ask_next()

    def action_copy(self) -> None:
        """Copy the commands, in order, to the operator's clipboard."""
        if self._plan is not None:
            commands = [command.shown for step in self._plan.steps for command in step.commands]
            self.app.copy_to_clipboard("\n".join(commands) + "\n")
            self.say(f"copied {len(commands)} commands")

    def action_close(self) -> None:
        """Stop asking, or go back to the deck."""
        if self.has_class("-asking"):
            self.remove_class("-asking")
            self.query_one(VerticalScroll).focus()
        else:
            self.dismiss()


def headline_rows(plan: Plan, production: list[str], width: int) -> list[Row]:
    """What is lost, in a line; before it which hosts serve production, in their colour and by the word."""
    lasting = plan.roles_lost or wants_name(plan)
    name = f" PROD {', '.join(production)} " if production else ""
    first, *others = paragraph(name + headline(plan), width, "error" if lasting else "strong")
    if name:
        first = (Span(name.rstrip(), "production"), Span(first[0].text[len(name.rstrip()) :], first[0].style))
    return [first, *others]


def plan_rows(plan: Plan, memory: dict[int, tuple[Left, ...]], width: int) -> list[Row]:
    """The plan: changes, what is lost where that is more than a line, findings, and steps with their commands."""
    rows: list[Row] = [(), (Span("What changes", "accent"),)]
    rows += [(Span("  " + change_sentence(change)),) for change in plan.changes]
    lost = losses(plan)
    if len(lost) > 1:
        rows += [(), (Span("What is lost", "accent"),)]
        rows += [row for loss in lost for row in paragraph("  " + loss, width, indent="    ")]
    if plan.findings:
        rows += [(), (Span("What is found in the placement after it", "accent"),)]
        for finding in plan.findings:
            sign, style = SIGNS[finding.severity]
            text = f"  {sign} {finding.code} {finding.subject}: {finding.message}"
            rows += paragraph(text, width, style, indent="      ")
    rows += [(), (Span(f"Steps, about {duration(plan.seconds)} in all", "accent"),)]
    for step in plan.steps:
        rows += step_rows(step, memory.get(step.n, ()), width)
    return rows


def step_rows(step: Step, left: tuple[Left, ...], width: int) -> list[Row]:
    """One step, the memory after it and its commands, never cut: long lines go on in the next row."""
    time = Span(f"~{duration(step.seconds)}", "dim")
    style = "strong" if step.fits else "error"
    first, *others = paragraph(step_words(step), width - len(time.text) - 1, style, indent=" " * 8)
    rows: list[Row] = [ends(first, (time,), width), *others]
    if step.basis:
        rows += paragraph(f"      reckoned by {step.basis}", width, "dim", indent="        ")
    rows += left_rows(left, width)
    for command in step.commands:
        for line in command.shown.splitlines():
            rows += paragraph("      " + line, width, "dim", indent="        ")
    return rows
