"""The console without a screen, for screen readers and braille: a sentence per change, commands typed line by line.

Nothing is drawn over and nothing moves: what was said stays where it was said.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from threading import Thread
from types import MappingProxyType

from console.autopilot.proposing import keep_proposing
from console.changing.confirming import questions
from console.changing.drafting import read_changes
from console.changing.plan_text import plan_lines
from console.changing.planning import plan_changes
from console.commands.status import status_lines
from console.fleet_file import FleetFile
from console.sentences import Teller, change_sentence, finding_sentence
from console.session import Session
from fleet.errors import GpudeckError, UsageError
from fleet.findings import Finding, Fix
from fleet.inventory.changes import Change
from fleet.planning.plan import Plan

LOOK_SECONDS = 1.0
"""How often changes are looked for."""

_STAGING = ("move", "set", "enable", "disable", "restart")
_FOR_OPERATORS = """\
 apply: carry them out, once you agree.
rollouts: what was rolled out, newest first. rollouts 1: the newest, step by step."""
_HELP = """\
status: every host, GPU and model, a line each.
findings: what is wrong, and fixes.
move MODEL=HOST/GPUS, set MODEL.ARGUMENT=VALUE, enable MODEL, disable MODEL, restart MODEL: stage a change.
fix CODE [SUBJECT] [NUMBER]: stage the first fix of a finding, or another by its number.
draft: what is staged. undo: take the last change back. clear: take all of them back.
plan: the steps of the draft, with their commands.{apply}
reload: take the fleet file as it is now; the draft stays over it.
quit: leave; nothing on the hosts changes."""


class PlainConsole:
    """One operator's session, told and asked in lines."""

    def __init__(self, session: Session, ready: Awaitable[object] | None = None) -> None:
        """A console over a session, whose hosts can be read once ``ready`` is done."""
        self._session = session
        self._ready = ready
        self._file = FleetFile(session)
        self._teller = Teller()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._is_busy = False

    async def run(self) -> None:
        """Until the operator quits or nothing more can be typed."""
        if self._ready is not None:
            await self._ready
        _read_lines(self._lines, asyncio.get_running_loop())
        async with self._session.watching():
            await self._session.first_readings()
            self._tell()
            mode = "This is read-only. " if self._session.is_read_only else ""
            print(f"{mode}Type a command; help lists them.", flush=True)
            tasks = [asyncio.create_task(self._go_on_telling())]
            if self._session.inventory.autopilot is not None:
                tasks.append(asyncio.create_task(keep_proposing(self._session)))
            try:
                await self._answer_all()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _go_on_telling(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._is_busy:
                news = self._file.look()
                if news is not None:
                    print(news.words, flush=True)
                self._tell()

    def _tell(self) -> None:
        for sentence in self._teller.tell(self._session.state()):
            print(sentence, flush=True)

    async def _answer_all(self) -> None:
        while (line := await self._lines.get()) is not None:
            word, _, rest = line.strip().partition(" ")
            if word in ("quit", "exit", "q"):
                if not self._session.changes or await self._agrees("The draft is not applied. Leave without it?"):
                    return
                continue
            if word:
                await self._answer(word, rest.strip())

    async def _answer(self, word: str, rest: str) -> None:
        self._is_busy = True
        try:
            if word in _STAGING:
                self._stage(word, rest)
            elif word == "fix":
                self._stage_all(chosen_fix(self._session.state().findings, rest).changes)
            elif word == "rollouts":
                self._tell_rollouts(rest)
            elif word in _ANSWERS:
                await _ANSWERS[word](self)
            else:
                raise UsageError(f"There is no command {word!r}.", "Type help for those there are.")
        except GpudeckError as error:
            print(f"{error}", flush=True)
        finally:
            self._is_busy = False

    def _stage(self, word: str, rest: str) -> None:
        if not rest:
            raise UsageError(f"{word} what?", "Type help for how it is written.")
        words: dict[str, list[str]] = {option: [] for option in _STAGING}
        self._stage_all(read_changes(Namespace(**{**words, word: [rest]}), self._session.drafted()))

    def _stage_all(self, changes: Sequence[Change]) -> None:
        self._session.stage(*changes)
        for change in changes:
            print(f"Staged: {change_sentence(change)}", flush=True)
        self._tell()

    def _tell_rollouts(self, number: str) -> None:
        print("\n".join(self._session.operating.rollout_lines(self._session, number)), flush=True)

    async def reload(self) -> None:
        """Take the fleet file as it is now."""
        print(self._file.reload().words, flush=True)
        self._tell()

    async def status(self) -> None:
        """Every host, GPU and model."""
        print("\n".join(status_lines(self._session.state())), flush=True)

    async def findings(self) -> None:
        """What is wrong."""
        found = [finding_sentence(finding) for finding in self._session.state().findings]
        print("\n".join(found) or "Nothing is wrong: there are no findings.", flush=True)

    async def draft(self) -> None:
        """What is staged."""
        print("\n".join(map(change_sentence, self._session.changes)) or "The draft is empty.", flush=True)

    async def undo(self) -> None:
        """Take the last change back."""
        print("Undone." if self._session.undo() else "There is nothing to undo.", flush=True)

    async def clear(self) -> None:
        """Take all changes back."""
        self._session.clear()
        print("The draft is empty.", flush=True)

    async def help(self) -> None:
        """The commands."""
        print(_HELP.format(apply="" if self._session.is_read_only else _FOR_OPERATORS), flush=True)

    async def plan(self) -> Plan | None:
        """The steps of the draft."""
        if not self._session.changes:
            print("The draft is empty.", flush=True)
            return None
        plan = await plan_changes(self._session, self._session.changes)
        print("\n".join(plan_lines(plan)), flush=True)
        return plan

    async def apply(self) -> None:
        """Carry the draft out, once the operator agrees; a model that may stay down wants its name typed."""
        operating = self._session.operating
        plan = await self.plan()
        if plan is not None and await self._confirms(plan):
            print(await operating.carry_out(self._session, plan), flush=True)

    async def _confirms(self, plan: Plan) -> bool:
        asked = questions(plan, self._session.inventory)
        for word, question in asked:
            print(f"{question}:", flush=True)
            if await self._lines.get() != word:
                print("Not confirmed; nothing was done.", flush=True)
                return False
        return bool(asked) or await self._agrees("Carry this out?")

    async def _agrees(self, question: str) -> bool:
        print(f"{question} yes or no:", flush=True)
        if ((await self._lines.get()) or "").strip().lower() in ("y", "yes"):
            return True
        print("Not confirmed; nothing was done.", flush=True)
        return False


_ANSWERS: Mapping[str, Callable[[PlainConsole], Awaitable[object]]] = MappingProxyType(
    {
        "status": PlainConsole.status,
        "findings": PlainConsole.findings,
        "draft": PlainConsole.draft,
        "undo": PlainConsole.undo,
        "clear": PlainConsole.clear,
        "plan": PlainConsole.plan,
        "apply": PlainConsole.apply,
        "reload": PlainConsole.reload,
        "help": PlainConsole.help,
    }
)


def chosen_fix(findings: Sequence[Finding], text: str) -> Fix:
    """The fix that ``CODE [SUBJECT] [NUMBER]`` names. Raises UsageError where it names none, or more than one."""
    code, *words = text.split() or [""]
    code = code.upper()
    number = int(words.pop()) if words and words[-1].isdecimal() else 1
    meant = [
        finding for finding in findings if finding.code == code and finding.subject in (words or [finding.subject])
    ]
    if not meant:
        raise UsageError(f"There is no finding {text!r}.", "findings lists those there are; an example: fix MEM002.")
    if len({finding.subject for finding in meant}) > 1:
        subjects = ", ".join(finding.subject for finding in meant)
        raise UsageError(f"{code} is found of {subjects}.", f"Say which: fix {code} {meant[0].subject}.")
    fixes = meant[0].fixes
    if not 1 <= number <= len(fixes):
        raise UsageError(f"{code} of {meant[0].subject} has {len(fixes) or 'no'} computed fixes.")
    return fixes[number - 1]


def _read_lines(lines: asyncio.Queue[str | None], loop: asyncio.AbstractEventLoop) -> None:
    """Put typed lines into the queue, then None.

    A thread, since a file cannot be waited for; and unbuffered, since Python does not end over a buffer being read.
    """

    def read() -> None:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as typed:
            for line in typed:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").rstrip("\r\n"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, name="typed lines", daemon=True).start()
