"""Plans as JSON and back: one serializer for the command line, the journal and plans handed to another operator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.commands import Write
from fleet.errors import UsageError
from fleet.findings import Finding, Severity, Tense
from fleet.findings.json import finding_json
from fleet.inventory.changes import Change, Disable, Enable, Move, Restart, Serve, SetArgument
from fleet.model import GpuId, Place
from fleet.planning.plan import Action, Expected, Former, Hold, Plan, Step

SCHEMA = "gpudeck/plan/1"
_MAKE_ONE = "Make one with `gpudeck plan --json`."


def plan_json(plan: Plan) -> dict[str, Any]:
    """The ``gpudeck/plan/1`` document; sizes in bytes, times in seconds."""
    return {
        "schema": SCHEMA,
        "fleet": plan.fleet,
        "world": plan.world,
        "changes": [change_json(change) for change in plan.changes],
        "findings": [finding_json(finding) for finding in plan.findings],
        "steps": [_step_json(step) for step in plan.steps],
        "downtime_seconds": {model: round(seconds, 1) for model, seconds in plan.downtime_seconds.items()},
        "stays_stopped": list(plan.stays_stopped),
        "roles_lost": list(plan.roles_lost),
        "requests": plan.requests,
        "formers": [_former_json(former) for former in plan.formers],
        "free_bytes": {str(gpu): size for gpu, size in plan.free_bytes.items()},
        "reason": plan.reason or None,
    }


def plan_from_json(text: str) -> Plan:
    """The plan of a document. Raises UsageError where it is none."""
    try:
        document = json.loads(text)
        if document.get("schema") != SCHEMA:
            raise UsageError(f"This is no plan: it does not begin with its schema, {SCHEMA!r}.", _MAKE_ONE)
        return _plan(document)
    except json.JSONDecodeError:
        raise UsageError("This is no plan that can be read: it is not JSON.", _MAKE_ONE) from None
    except KeyError as error:
        raise UsageError(f"This is no plan that can be read: it lacks {error}.", _MAKE_ONE) from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UsageError("This is no plan that can be read: a value in it is of the wrong kind.", _MAKE_ONE) from None


def _plan(document: Mapping[str, Any]) -> Plan:
    return Plan(
        fleet=str(document["fleet"]),
        world=str(document["world"]),
        changes=tuple(change_from_json(entry) for entry in document["changes"]),
        findings=tuple(_finding(entry) for entry in document["findings"]),
        steps=tuple(_step(entry) for entry in document["steps"]),
        formers=tuple(_former(entry) for entry in document["formers"]),
        downtime_seconds={str(model): float(s) for model, s in document["downtime_seconds"].items()},
        stays_stopped=tuple(document["stays_stopped"]),
        roles_lost=tuple(document["roles_lost"]),
        requests=int(document["requests"]),
        free_bytes={GpuId.parse(gpu): int(size) for gpu, size in document.get("free_bytes", {}).items()},
        reason=str(document.get("reason") or ""),
    )


def change_json(change: Change) -> dict[str, Any]:
    """A change as an object of a document."""
    match change:
        case Move(model, place):
            return {"change": "move", "model": model, "place": str(place)}
        case SetArgument(model, flag, value):
            return {"change": "set", "model": model, "flag": flag, "value": value}
        case Serve(model, source):
            return {"change": "serve", "model": model, "source": source}
        case Enable(model):
            return {"change": "enable", "model": model}
        case Disable(model):
            return {"change": "disable", "model": model}
        case Restart(model):
            return {"change": "restart", "model": model}


def change_from_json(entry: Mapping[str, Any]) -> Change:
    """The change of such an object. Raises KeyError, TypeError or ValueError where it is none."""
    model = str(entry["model"])
    match entry["change"]:
        case "move":
            return Move(model, Place.parse(entry["place"]))
        case "set":
            return SetArgument(model, str(entry["flag"]), entry["value"])
        case "serve":
            return Serve(model, str(entry["source"]))
        case "enable":
            return Enable(model)
        case "disable":
            return Disable(model)
        case "restart":
            return Restart(model)
        case other:
            raise ValueError(f"{other!r} is no change")


def _finding(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        code=str(entry["code"]),
        severity=Severity(entry["severity"]),
        tense=Tense(entry["tense"]),
        message=str(entry["message"]),
        model=entry["model"],
        gpu=GpuId.parse(entry["gpu"]) if entry["gpu"] else None,
        host=entry.get("host"),
        numbers=dict(entry["numbers"]),
    )


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "n": step.n,
        "action": str(step.action),
        "model": step.model,
        "host": step.host,
        "service": step.service,
        "gpus": [str(gpu) for gpu in step.gpus],
        "commands": [command.shown for command in step.commands],
        "needs_bytes": step.needs_bytes,
        "free_bytes": step.free_bytes,
        "seconds": round(step.seconds, 1),
        "seconds_basis": step.basis,
        "run": _writes_json(step.commands),
        "holds": _holds_json(step.holds),
        "expects": _expects_json(step.expects),
        "asks_health": step.asks_health,
        "check": list(step.check),
        "timeout_seconds": step.timeout,
        "requests": step.requests,
    }


def _step(entry: Mapping[str, Any]) -> Step:
    return Step(
        n=int(entry["n"]),
        action=Action(entry["action"]),
        model=str(entry["model"]),
        host=str(entry["host"]),
        service=str(entry["service"]),
        gpus=_gpus(entry["gpus"]),
        commands=_writes(entry["run"]),
        needs_bytes=entry["needs_bytes"],
        free_bytes=entry["free_bytes"],
        seconds=float(entry["seconds"]),
        basis=str(entry.get("seconds_basis", "")),
        holds=_holds(entry.get("holds", ())),
        expects=_expects(entry["expects"]),
        asks_health=bool(entry["asks_health"]),
        check=tuple(map(str, entry.get("check", ()))),
        timeout=entry.get("timeout_seconds"),
        requests=int(entry.get("requests", 0)),
    )


def _former_json(former: Former) -> dict[str, Any]:
    return {
        "model": former.model,
        "host": former.host,
        "service": former.service,
        "become": former.become,
        "gpus": [str(gpu) for gpu in former.gpus],
        "running": former.running,
        "overlay": former.overlay,
        "needs_bytes": former.needs_bytes,
        "seconds": round(former.seconds, 1),
        "holds": _holds_json(former.holds),
        "expects": _expects_json(former.expects),
        "asks_health": former.asks_health,
        "check": list(former.check),
        "timeout_seconds": former.timeout,
        "leaving": _writes_json(former.leaving),
        "joining": _writes_json(former.joining),
    }


def _former(entry: Mapping[str, Any]) -> Former:
    return Former(
        model=str(entry["model"]),
        host=str(entry["host"]),
        service=str(entry["service"]),
        become=str(entry["become"]),
        gpus=_gpus(entry["gpus"]),
        running=bool(entry["running"]),
        overlay=entry["overlay"],
        needs_bytes=int(entry["needs_bytes"]),
        seconds=float(entry["seconds"]),
        holds=_holds(entry.get("holds", ())),
        expects=_expects(entry["expects"]),
        asks_health=bool(entry["asks_health"]),
        check=tuple(map(str, entry.get("check", ()))),
        timeout=entry.get("timeout_seconds"),
        leaving=_writes(entry.get("leaving", ())),
        joining=_writes(entry.get("joining", ())),
    )


def _writes_json(commands: Iterable[Write]) -> list[dict[str, Any]]:
    return [{"words": list(command.words), "stdin": command.stdin.decode()} for command in commands]


def _writes(entries: Iterable[Mapping[str, Any]]) -> tuple[Write, ...]:
    return tuple(Write(tuple(entry["words"]), entry["stdin"].encode()) for entry in entries)


def _holds_json(holds: Iterable[Hold]) -> list[dict[str, Any]]:
    return [{"gpu": str(hold.gpu), "needs_bytes": hold.needs_bytes, "held_bytes": hold.held_bytes} for hold in holds]


def _holds(entries: Iterable[Mapping[str, Any]]) -> tuple[Hold, ...]:
    return tuple(Hold(GpuId.parse(e["gpu"]), int(e["needs_bytes"]), int(e["held_bytes"])) for e in entries)


def _expects_json(expects: Iterable[Expected]) -> list[dict[str, Any]]:
    return [{"gpu": str(e.gpu), "pci": e.pci, "low_bytes": e.low_bytes, "high_bytes": e.high_bytes} for e in expects]


def _expects(entries: Iterable[Mapping[str, Any]]) -> tuple[Expected, ...]:
    return tuple(
        Expected(GpuId.parse(e["gpu"]), str(e["pci"]), int(e["low_bytes"]), int(e["high_bytes"])) for e in entries
    )


def _gpus(names: Iterable[str]) -> tuple[GpuId, ...]:
    return tuple(GpuId.parse(name) for name in names)
