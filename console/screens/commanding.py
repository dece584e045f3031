"""The command line of the deck: ``:`` and words, with suggestions and a memory."""

from __future__ import annotations

from console.screens.carrying import CarryingScreen
from fleet.errors import GpudeckError
from widgets.deck import Deck
from widgets.prompt import Prompt

COMMAND = ":"


class CommandingScreen(CarryingScreen):
    """The part of the deck screen that takes commands. What they are is imported when the first is asked for."""

    def action_command(self) -> None:
        """Type a command."""
        self._ask_for_command()

    def action_compare(self) -> None:
        """Show the marked models side by side, or this one and another that is asked for."""
        here = self.query_one(Deck).model
        chosen = tuple(dict.fromkeys((*self.marked, *filter(None, [here]))))
        if len(self.marked) == 2 or len(chosen) == 2:
            self.console.open_compare(*chosen[:2])
        else:
            self._ask_for_command(f"compare {chosen[0]} " if len(chosen) == 1 else "compare ")

    def _ask_for_command(self, text: str = "") -> None:
        from console.deck_commands import suggestions

        self.query_one(Prompt).ask(COMMAND, text, suggestions=list(suggestions(self)))

    def on_prompt_typed(self, event: Prompt.Typed) -> None:
        """Say what the command takes and does."""
        from console.deck_commands import commands

        if event.sign == COMMAND:
            word = event.text.partition(" ")[0]
            known = commands(read_only=self.session.is_read_only)
            meant = [command for command in known if command.word.startswith(word)]
            self.say("  ".join(c.word for c in meant) if len(meant) > 1 else meant[0].usage if meant else "")

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Do what was typed, or say what is wrong with it."""
        from console.deck_commands import run

        if event.sign == COMMAND and event.text:
            self.console.tell("")
            try:
                run(self, event.text)
            except GpudeckError as error:
                self.console.tell(str(error), "error")
