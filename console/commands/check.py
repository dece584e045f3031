"""Check a fleet file: what would not start, what would not fit, and computed fixes. Reads no host."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version as package_version

from console.fleets import add_fleet_options, choose_fleet
from console.history.power import recorded_watts
from fleet.errors import Exit, UsageError
from fleet.findings import Severity, Tense
from fleet.findings.assess import Assessment, assess
from fleet.findings.formats import github, sarif
from fleet.findings.json import findings_json
from fleet.inventory import Inventory
from fleet.inventory.loading import model_places
from fleet.model import Engine, Version


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of ``gpudeck check``."""
    add_fleet_options(parser)
    parser.add_argument("--engine", metavar='"vllm X.Y.Z"', help="what would another version of the engine say?")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--format", choices=("text", "github", "sarif"), default="text", help="for other programs")


def run(options: argparse.Namespace) -> int:
    """Print the findings; exit 1 where one is an error."""
    version = _version(options.engine)
    inventory = choose_fleet(options)
    tense = Tense.WHAT_IF if version else Tense.NOW
    watts = recorded_watts(inventory)
    assessment = assess(inventory, tense=tense, version=version, watts=watts, with_advice=True)
    if options.json:
        print(json.dumps(findings_json(assessment.findings, assessment.ignored), indent=2, ensure_ascii=False))
    elif options.format == "github":
        print("\n".join(github(assessment.findings, inventory.path, _lines(inventory))))
    elif options.format == "sarif":
        log = sarif(
            assessment.findings, assessment.ignored, inventory.path, _lines(inventory), package_version("gpudeck")
        )
        print(json.dumps(log, indent=2, ensure_ascii=False))
    else:
        _print(inventory, assessment)
    failed = any(finding.severity is Severity.ERROR for finding in assessment.findings)
    return Exit.FINDINGS if failed else Exit.DONE


def _print(inventory: Inventory, assessment: Assessment) -> None:
    for finding in assessment.findings:
        where = f"{finding.gpu} " if finding.gpu and finding.model else ""
        print(f"{finding.severity} {finding.code} {where}{finding.subject}: {finding.message}")
        for fix in finding.fixes:
            print(f"  fix: {fix.summary}")
    if assessment.ignored:
        print(f"{len(assessment.ignored)} ignored, as the fleet file says.")
    elif not assessment.findings:
        print(f"{inventory.fleet}: nothing found.")


def _lines(inventory: Inventory) -> dict[str, int]:
    return {name: line for name, (line, _) in model_places(inventory.path).items()} if inventory.path else {}


def _version(text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        engine = Engine.parse(text)
    except ValueError as error:
        raise UsageError(f"--engine: {error}.", 'Write it as --engine "vllm 0.33.0".') from None
    if engine.name != "vllm" or engine.version is None:
        raise UsageError(f"--engine {text!r} is not a version of vLLM.", 'Write it as --engine "vllm 0.33.0".')
    return engine.version
