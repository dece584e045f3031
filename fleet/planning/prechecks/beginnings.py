"""One model about to be started on one host, as the checks before it look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.findings import Finding, Severity, Tense
from fleet.hardware import Accelerator
from fleet.model import Model
from fleet.planning.plan import Step
from fleet.planning.prechecks.host_facts import UnitFacts
from fleet.services import Definition, Service
from fleet.services.arguments import read_arguments
from fleet.services.checkpoints import named_checkpoint, respelled
from fleet.services.docker_run import container
from fleet.services.systemd import Systemd


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of a start before anything is done."""

    step: Step
    model: Model
    service: Service
    definition: Definition
    unit: UnitFacts
    accelerator: Accelerator
    runs_there: bool
    """Whether the model serves on that host now, and so has what it needs there."""
    former_source: str | None = None
    """What it is served from now, where that is to change."""

    @property
    def in_own_process(self) -> bool:
        """Whether its engine sees the host's own files: it is a unit's, and in no container."""
        return isinstance(self.service, Systemd) and container(self.argv) is None

    @property
    def user(self) -> str | None:
        """Whom its unit runs as, empty for whoever logs in; None where nobody says."""
        is_system = isinstance(self.service, Systemd) and not self.service.user
        return "root" if self.unit.user == "" and is_system else self.unit.user

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line, with the overlay that stands now."""
        return self.definition.overlaid_argv or self.definition.argv

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables its definition sets; those in files are known only as far as they matter to arguments."""
        return {**self.definition.environment, **self.definition.overlaid_environment}

    def text(self, flag: str) -> str:
        """An argument of the fleet file or of its command line; empty where neither has it."""
        given = {**read_arguments(self.argv), **self.model.args}
        return str(given.get(flag) or "")

    @property
    def source(self) -> str:
        """What its weights are loaded from: a path of the host, or a Hugging Face id."""
        old, new = self.former_source, self.model.source or ""
        written = self.text("model")
        if old is not None:
            written = respelled(named_checkpoint(self.definition, old, with_overlay=True) or "", old, new)
        return written if written.startswith("/") else new

    def finding(self, code: str, message: str, severity: Severity = Severity.ERROR) -> Finding:
        """A finding about it."""
        return Finding(code, severity, Tense.DRAFT, message, model=self.step.model, host=self.step.host)
