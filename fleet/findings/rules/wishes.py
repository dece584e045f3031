"""What operators agreed on, and what else makes a placement better than one that merely starts."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.findings.rules import Rule

RULES = (
    Rule(
        "POL001",
        Severity.INFO,
        "utilization unlike the policy for its size",
        "Models that share a GPU were agreed to have shares by their size: under 10 billion parameters 0.5, up to 30 "
        "billion 0.6 to 0.7, above 0.8 to 0.9, unless the fleet file's policy: says otherwise.",
        "Take the agreed share, or ignore POL001 for the model with the reason.",
        "policy: of the fleet file",
    ),
    Rule(
        "POL002",
        Severity.WARNING,
        "less headroom than agreed on",
        "The fleet file's policy: says how much of every GPU in use stays free at the high end of the estimates. "
        "A rebalance keeps that much free where it can.",
        "Lower a utilization, or move a model.",
        "policy: headroom of the fleet file; sum of the estimates at the high end of their spreads",
    ),
    Rule(
        "POL003",
        Severity.WARNING,
        "a role with fewer models than agreed on",
        "The fleet file's policy: says how many models serve a role. Counted are those that stay when any one GPU is "
        "lost, and one more: two on the same GPU are worth one.",
        "Enable another model for the role, on another GPU, or move one.",
        "policy: redundancy, role: and place: of the fleet file",
    ),
    Rule(
        "POL004",
        Severity.WARNING,
        "more power than the host may draw",
        "The GPUs of the host together draw more under load than its power_cap. Where the last day's highest reading "
        "of a GPU is known and its models stay, that counts; else an idle GPU is taken to draw a fifth of its limit, "
        "and one that writes text three fifths. In a single moment each may draw its whole limit.",
        "Move a model to another host, or lower the GPUs' own limits.",
        "Splitwise, ISCA 2024, and Characterizing Power Management Opportunities for LLMs in the Cloud, ASPLOS 2024; "
        "readings of idle MI300X; power_cap: of the fleet file",
    ),
    Rule(
        "POL005",
        Severity.WARNING,
        "outside the maintenance windows",
        "The fleet file's policy: says when what runs may be changed. No such window is open, or it closes before the "
        "plan is done. gpudeck then asks for more than a yes.",
        "Wait for the next window, or say --outside-window; on the plan screen, type the word.",
        "policy: windows of the fleet file",
    ),
    Rule(
        "RED001",
        Severity.INFO,
        "a role served once",
        "When this model restarts or fails, nothing serves its role.",
        "Enable a second model for the role, on another GPU.",
        "role: of the fleet file",
    ),
    Rule(
        "RED002",
        Severity.INFO,
        "a role that one failure takes away",
        "Every model of the role needs the same GPU, or they are all on one host of several: one fault takes them all.",
        "Move one of them.",
        "role: and place: of the fleet file",
    ),
    Rule(
        "PERF001",
        Severity.INFO,
        "models that share a GPU's bandwidth",
        "Decoding reads every active weight for every token, so models that generate at the same time divide the "
        "memory's bandwidth between them. The figures are ranges for one sequence each.",
        "Put models that are busy at the same time on different GPUs.",
        "bytes of active weights and cache over the accelerator's bandwidth",
    ),
)
