"""Going about the deck: step by step, to a GPU by its number, to the next trouble, to a letter."""

from __future__ import annotations

from string import ascii_letters, digits

from textual import events

from console.screens.base import DeckPart
from console.trouble import next_down
from fleet.model import GpuId
from widgets.deck import Deck, Way


class GoingScreen(DeckPart):
    """The part of the deck screen that moves the cursor."""

    _labels: dict[tuple[GpuId, str], str]
    """While jumping: the letter of each thing to go to."""

    def __init__(self) -> None:
        super().__init__()
        self._labels = {}

    def go_to(self, gpu: GpuId) -> None:
        """Put the cursor on that GPU."""
        self.query_one(Deck).go_to(gpu)

    def action_go(self, way: Way) -> None:
        """Move the cursor."""
        self.console.message = None
        self.query_one(Deck).go(way)

    def action_gpu(self, number: int) -> None:
        """Go to the n-th GPU of the host the cursor is on."""
        self.console.message = None
        here = self.query_one(Deck).pane
        gpus = self._state.host(here.host).gpus
        if number < len(gpus):
            self.go_to(gpus[number].gpu)

    def action_host(self, step: int) -> None:
        """Go to the same GPU of the next host, or of the one before."""
        self.console.message = None
        here, hosts = self.query_one(Deck).pane, self._state.hosts
        at = [host.name for host in hosts].index(here.host) + step
        if 0 <= at < len(hosts):
            gpus = hosts[at].gpus
            self.go_to(gpus[min(here.index, len(gpus) - 1)].gpu)

    def action_trouble(self) -> None:
        """Go to the next model that failed or stopped, and say why in the engine's words, where they were read."""
        deck, state = self.query_one(Deck), self._state
        target = next_down(state, deck.targets(), (deck.gpu, deck.model))
        if target is None:
            self.console.tell("No model has failed or stopped.", "good")
            return
        deck.go_to(*target)
        model = state.model(target[1])
        again = " again" if model.comes_up_again else ""
        why = model.why_not_up or f"{self.key('deck.logs')} shows its log."
        self.console.tell(f"{model.name} {model.word}{again}: {why}", "error")

    def action_jump(self) -> None:
        """Show a letter at every model, and go where the next key says."""
        targets = self.query_one(Deck).targets()
        self._labels = dict(zip(targets, ascii_letters + digits, strict=False))
        self.console.message = ("press the letter to go there", "accent")
        self.show_deck()

    def jump(self, event: events.Key) -> None:
        """While jumping every key is a letter, or ends it."""
        event.stop()
        event.prevent_default()
        targets = {letter: target for target, letter in self._labels.items()}
        self._labels = {}
        self.console.message = None
        if event.character in targets:
            gpu, name = targets[event.character]
            self.query_one(Deck).go_to(gpu, name or None)
        self.show_deck()

    def take(self, event: events.Key) -> None:
        """The letter of a jump may come as early as what is typed into a prompt."""
        if self._labels:
            self.jump(event)
        else:
            super().take(event)
