"""What stands in the way of a plan on its hosts, or of clients after it."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.findings.rules import Rule

RULES = (
    Rule(
        "PRE001",
        Severity.ERROR,
        "the port is taken",
        "Something that is no model of the plan listens on the port the model will serve on. Its engine would load for "
        "minutes and then fail to bind.",
        "End what listens there, or give the model another port.",
        "the host's /proc/net/tcp and tcp6, before anything is stopped",
    ),
    Rule(
        "PRE002",
        Severity.ERROR,
        "systemd would not wait for the load",
        "The unit's start is over only when its process says so, or when an ExecStartPost= has ended, and the time "
        "systemd gives it is shorter than the load should take. It would be killed while it loads, and perhaps started "
        "again without end.",
        "Set TimeoutStartSec= of the unit to more than the load, or to infinity.",
        "systemctl show: Type, TimeoutStartUSec, ExecStartPost; load times of the plan",
    ),
    Rule(
        "PRE003",
        Severity.ERROR,
        "no room on the host's disk",
        "What gpudeck writes would not be written, after the model was stopped.",
        "Make room there.",
        "df of the folder that is written to",
    ),
    Rule(
        "PRE004",
        Severity.ERROR,
        "a file the start needs is not there",
        "The unit names a file of variables without the - that makes it optional, or the model is loaded from a path, "
        "and it is not on the host.",
        "Put it there, or correct the unit or the model's source.",
        "systemctl show: EnvironmentFiles; the host's files",
    ),
    Rule(
        "PRE005",
        Severity.ERROR,
        "other units go along",
        "systemd stops what requires, is bound to or is part of a unit that stops, and what conflicts with one that "
        "starts; it does not start it again afterwards. It starts what a unit requires or wants along with it, and two "
        "models that load at the same time mis-size each other.",
        "Put the other model into the plan too, or take the dependency out of its unit.",
        "systemctl show: RequiredBy, BoundBy, ConsistsOf, Requires, Wants, BindsTo, Conflicts",
    ),
    Rule(
        "PRE006",
        Severity.WARNING,
        "a secret that everybody can read",
        "A file of variables holds a token, a key or a password, and its mode lets every user of the host read it.",
        "chmod 600 it; systemd reads it as root.",
        "mode of the files in EnvironmentFile=, and the names of the variables in them",
    ),
    Rule(
        "PRE007",
        Severity.ERROR,
        "its user may not open the GPUs",
        "An AMD GPU is opened through /dev/kfd and a node in /dev/dri, which belong to the groups render and video. A "
        "unit whose user is in neither sees no GPU, and its engine ends when it starts.",
        "Add SupplementaryGroups= to the unit, or the user to the group.",
        "systemctl show: User, Group, SupplementaryGroups; id; the modes of the nodes",
    ),
    Rule(
        "PRE008",
        Severity.ERROR,
        "its user may not read a file it needs",
        "Weights, a token, a key or a template that the unit's variables or arguments name is closed to the user it "
        "runs as, by its own mode or by that of a folder above it.",
        "Let a group read it that the user is in, or give it to the user.",
        "the modes of the file and of every folder above it; rules of its own (ACL) count as open",
    ),
    Rule(
        "PRE009",
        Severity.ERROR,
        "the image is not there",
        "The container is made from an image its host does not have. It would be pulled after the model was stopped, "
        "which takes longer than most loads, or not be found at all.",
        "Pull it before.",
        "docker or podman image inspect",
    ),
    Rule(
        "PRE010",
        Severity.ERROR,
        "its weights are not whole",
        "Parts of the weights that their index or their numbers name are not in the folder, or the cache of the host "
        "does not have the model. Without a way to fetch them, or the room, its start fails; else it takes as long as "
        "the download, while the model is down. That is a warning.",
        "Fetch them before: hf download MODEL, as the user the unit runs as.",
        "the folder, or models--ORG--NAME in HF_HUB_CACHE, HF_HOME or ~/.cache/huggingface/hub; index.json; df",
    ),
    Rule(
        "RTE001",
        Severity.ERROR,
        "clients will not find it",
        "The model has an endpoint, changes its host or its port, and nothing tells a router where it is now. What "
        "asks it under its old address gets no answer.",
        "Write router: with add and remove into the fleet file; or move it, its name typed, and tell its clients.",
        "url: and router: of the fleet file",
    ),
    Rule(
        "RTE002",
        Severity.WARNING,
        "clients will ask for another name",
        "The model gets another checkpoint, and its engine calls what it serves by the checkpoint's name unless it is "
        "told another. Requests that name the old one are refused.",
        "Keep the name with served-model-name, or tell its clients.",
        "vLLM's and SGLang's --served-model-name",
    ),
)
