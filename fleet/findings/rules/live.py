"""What is measured of what runs."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.findings.rules import Rule

RULES = (
    Rule(
        "LIVE001",
        Severity.WARNING,
        "live memory unlike the model's own start",
        "When it started, the engine printed what it takes, and the estimate was calibrated by that. What it holds now "
        "is neither what it rests at nor anywhere up to its peak: a library took buffers nobody counts, the engine put "
        "its cache away, or what runs is not what was read. Plans reckon with the estimate.",
        "Look at its log. Where it holds more, leave that much free beside it, or restart it when it may be.",
        "start-up lines of the engine; memory of its processes by the driver",
    ),
    Rule(
        "LIVE002",
        Severity.WARNING,
        "memory of nobody in the fleet file",
        "A process that belongs to no model of the fleet file holds memory of a GPU, or memory is in use that no "
        "process holds. Estimates do not reckon with it, so that a start they allow may fail.",
        "Add it to the fleet file as a model with memory:, or end it. Memory without a process comes back when the "
        "driver is done with a dead one, else when the GPU is reset.",
        "memory of processes and of the GPU by its driver",
    ),
    Rule(
        "LIVE003",
        Severity.WARNING,
        "what runs is not what the fleet file says",
        "The command line of what runs has other arguments, another model or another version than the fleet file. "
        "Estimates, findings and plans speak of the file; what measured memory teaches of the arguments that differ is "
        "left aside.",
        "Take what runs into the file, or restart it as the file says. The detail of its GPU shows the difference.",
        "the process's command line, else its unit's ExecStart=; the version in its log",
    ),
    Rule(
        "LIVE004",
        Severity.ERROR,
        "a GPU with a fault",
        "It is too hot, or held back by heat or by a signal from outside, or its memory had errors that could not be "
        "corrected, or its driver is resetting it. Running into the power limit is no fault: a busy GPU does.",
        "Move its models, look at its cooling and supply, and have a GPU with uncorrected errors reset or exchanged.",
        "temperatures with their limits, throttle residencies, error counts and bad pages by its driver",
    ),
    Rule(
        "LIVE005",
        Severity.WARNING,
        "readings that stopped coming",
        "The host has not answered for three intervals: what is shown is old. After ten it is given up for lost and "
        "connected to again, and until then nothing is done to it.",
        "See that it is up and reached by ssh.",
        "the age of its newest reading",
    ),
    Rule(
        "LIVE006",
        Severity.INFO,
        "memory that is not back yet",
        "A model has ended, and the driver has not taken back all of its memory. A start that needs it fails until "
        "then; plans wait for it.",
        "Wait, some seconds and at times minutes. A zombie that stays keeps its memory until its parent ends.",
        "memory of processes and of the GPU by its driver",
    ),
    Rule(
        "LIVE007",
        Severity.WARNING,
        "nearly full under load",
        "At its highest, a GPU had next to no memory left, or a model next to no KV cache: under a little more load an "
        "allocation fails, or requests are put back and computed anew.",
        "Test it under load; lower a utilization where the GPU is full, raise it or shorten max-model-len where the "
        "cache is.",
        "peaks of memory and KV cache of the recorded readings",
    ),
    Rule(
        "LIVE008",
        Severity.INFO,
        "what is to be known of a host that answers",
        "It was rebooted while it was watched, its services cannot be asked for, or the ssh configuration has lines "
        "that ssh obeys and gpudeck does not. Host keys are always checked: StrictHostKeyChecking no changes nothing.",
        "Read the sentence; take a line that does nothing out of the ssh configuration, or ignore the code.",
        "the ssh configuration as it applies to the host, its boot id, its service manager's answer",
    ),
    Rule(
        "LIVE009",
        Severity.WARNING,
        "requests queue",
        "More requests come than the model takes at once: its KV cache is full, or as many are at work as max-num-seqs "
        "says. Those that wait get their first token the later, and clients give up.",
        "Enable a copy or another model of its role, the fix where one fits; or give it a larger share of its GPU, the "
        "fix where its cache is full and there is room; or a GPU of its own, or a cache in fp8. `:try MODEL` on the "
        "deck and `gpudeck capacity --add MODEL` say where another copy fits.",
        "running and waiting requests of the engine's own metrics, its KV cache in use",
    ),
    Rule(
        "LIVE010",
        Severity.ERROR,
        "a model that does not come up",
        "Its service failed, or it ended by itself and its service manager starts it again; every start that comes to "
        "nothing takes the memory and the time of a whole load. Where the log says why, that is told in the engine's "
        "own words; a start that is under way after an end nobody explained is a warning.",
        "Mend what the engine names: its arguments with e, its place with m. Read its log for the rest, and stop it "
        "where it only loops.",
        "state and restarts by the service manager; the engine's last words in its log",
    ),
)
