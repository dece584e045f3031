"""Every kind of finding: its code, what it means, why it matters, how to end it, where the rule comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding, as `gpudeck explain` tells it."""

    code: str
    severity: Severity
    """Its usual severity; a single finding may be milder."""
    title: str
    why: str
    how: str
    source: str


_ALL = (
    Rule(
        "KV001",
        Severity.ERROR,
        "max seq len exceeds the KV cache",
        "vLLM gives the cache what weights and the profile run leave of its share of the GPU. Where that holds less "
        "than one sequence of the largest length, the engine refuses to start. A warning: it holds one by the "
        "central estimate, but not at the high end of the spread.",
        "Lower max-model-len, raise gpu-memory-utilization, or keep the cache in fp8.",
        "vLLM 0.9.0 worker/worker.py raise_if_cache_size_invalid; V1 v1/core/kv_cache_utils.py "
        "check_enough_kv_cache_memory",
    ),
    Rule(
        "KV002",
        Severity.ERROR,
        "no memory for the KV cache",
        "Weights and the peak of the profile run fill the engine's whole share of the GPU, so it refuses to start.",
        "Raise gpu-memory-utilization, or make the batch smaller: max-num-seqs, max-num-batched-tokens.",
        "vLLM 0.9.0 worker/worker.py raise_if_cache_size_invalid; V1 v1/core/kv_cache_utils.py "
        "check_enough_kv_cache_memory",
    ),
    Rule(
        "MEM001",
        Severity.ERROR,
        "will not start beside its neighbours",
        "vLLM's V1 engine begins only where its whole budget, utilization x total memory, is free. Neighbours hold "
        "their budgets and, outside them, a runtime context each; so shares that add up to one do not start together. "
        "A model that runs keeps running: it is the next start that fails. Neighbours are counted with their "
        "activation peak, which PyTorch does not give back once a full batch has been served.",
        "Lower the utilization of one or both, or move one to another GPU.",
        "vLLM 0.9.1 v1/worker/gpu_worker.py init_device, pull requests 18974 and 19312; from 0.14 "
        "v1/worker/utils.py request_memory. On ROCm from 0.9.2, where V1 became the default.",
    ),
    Rule(
        "MEM002",
        Severity.ERROR,
        "GPU over-committed",
        "An error: what the models hold even when they idle (weights, cache, graphs, contexts) is more than the GPU "
        "has, or one alone runs out while loading. A warning: at rest it fits, but the peaks of full batches, or the "
        "high end of the estimate, do not; under load an allocation can fail and end a model.",
        "Lower the utilization of one, or move one to another GPU.",
        "sum of the estimates of the models placed on the GPU, and what its driver holds",
    ),
    Rule(
        "CTX001",
        Severity.ERROR,
        "max-model-len is beyond the model",
        "The length is larger than the positions the model was made for, so the engine refuses to start.",
        "Lower max-model-len to the model's own maximum, or leave it out.",
        "vLLM config.py _get_and_verify_max_len",
    ),
    Rule(
        "CTX002",
        Severity.ERROR,
        "a batch too small for its sequences",
        "Without chunked prefill a batch must hold one sequence of the largest length, and always a token for each "
        "of its sequences; else the engine refuses to start.",
        "Leave max-num-batched-tokens out, or raise it.",
        "vLLM config.py SchedulerConfig",
    ),
    Rule(
        "PAR001",
        Severity.ERROR,
        "the model does not split as asked",
        "Attention heads must divide by tensor-parallel-size, and the place must have a GPU for every rank; else the "
        "engine refuses to start.",
        "Choose a tensor-parallel-size that divides the heads, and a place with as many GPUs.",
        "vLLM config.py verify_with_parallel_config; platforms/cuda.py",
    ),
    Rule(
        "MEM003",
        Severity.WARNING,
        "declared memory contradicts the model",
        "The fleet file declares what the model holds, and its source makes something else by more than a quarter. "
        "Plans reckon with the declared figure.",
        "Correct memory:, or take it away where the source is right.",
        "the estimate of the engine from the model's own shape",
    ),
    Rule(
        "MEM005",
        Severity.INFO,
        "models that must not start at the same time",
        "vLLM measures what its own start takes by what is free before and after. A neighbour that loads meanwhile is "
        "charged to it, and one that stops meanwhile ends it with an assertion.",
        "Start one, wait until it is healthy, start the next; gpudeck's own plans do.",
        "vLLM from 0.9.1 v1/worker/gpu_worker.py determine_available_memory; issue 55827",
    ),
    Rule(
        "MEM006",
        Severity.INFO,
        "memory stranded beside a short cache",
        "A model alone on its GPU leaves a good part of it to nobody, while its cache holds less than two sequences "
        "of its own largest length.",
        "Raise its gpu-memory-utilization.",
        "sum of the estimates of the models placed on the GPU, and what its driver holds",
    ),
    Rule(
        "MEM007",
        Severity.WARNING,
        "thin headroom",
        "Several models leave less than two hundredths of the GPU at the high end of their estimates. What no estimate "
        "knows, a fragment or a library's buffer, may end one of them under load.",
        "Lower a utilization by 0.02.",
        "sum of the estimates at the high end of their spreads",
    ),
    Rule(
        "PAR003",
        Severity.INFO,
        "a cache that is kept more than once",
        "With more GPUs than KV heads each head is kept by several of them; a latent cache is kept whole by every GPU. "
        "The copies are memory that holds no tokens.",
        "Fewer GPUs and a second replica, pipeline parallelism, or decode-context-parallel-size where it is supported.",
        "vLLM config/model.py get_num_kv_heads; v1/kv_cache_interface.py MLAAttentionSpec",
    ),
    Rule(
        "PAR004",
        Severity.INFO,
        "uneven pipeline stages",
        "The layers do not divide by the stages. Every stage gets as many blocks as the fullest has room for.",
        "Another pipeline-parallel-size, or VLLM_PP_LAYER_PARTITION.",
        "vLLM distributed/utils.py get_pp_indices; v1/core/kv_cache_utils.py",
    ),
    Rule(
        "QNT001",
        Severity.WARNING,
        "a quantisation that left the engine",
        "vLLM took GGUF out of its core in 0.24 and bitsandbytes in 0.28. Without the plugin the model is not loaded.",
        "Install the plugin beside vLLM, stay on an older version, or serve another checkpoint.",
        "vLLM 0.24.0 and 0.28.0 model_executor/layers/quantization",
    ),
    Rule(
        "QNT002",
        Severity.ERROR,
        "a quantisation ROCm does not take",
        "vLLM refuses quantisations that its platform does not list. GGUF and bitsandbytes are not listed on ROCm.",
        "Serve an AWQ, GPTQ, fp8 or MXFP4 checkpoint, or the GGUF by llama.cpp.",
        "vLLM platforms/rocm.py supported_quantization",
    ),
    Rule(
        "QNT003",
        Severity.WARNING,
        "served in float32",
        "Every weight takes four bytes where two do, and every cached element too.",
        "dtype bfloat16, or auto.",
        "vLLM config/model.py _get_and_verify_dtype",
    ),
    Rule(
        "QNT004",
        Severity.WARNING,
        "latent attention kept as full heads",
        "The GGUF was converted before llama.cpp knew latent attention and lacks the tensors for it. The cache then "
        "holds every head's key and value, some seventy times as much.",
        "Take a file converted anew: one with attn_k_b and attn_v_b tensors.",
        "llama.cpp src/llama-model.cpp, deepseek2; the file's own header",
    ),
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
        "Give it a larger share of its GPU or a GPU of its own, a cache in fp8, or another copy: `:try MODEL` on the "
        "deck and `gpudeck capacity --add MODEL` say where one fits.",
        "running and waiting requests of the engine's own metrics, its KV cache in use",
    ),
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
        "IGN001",
        Severity.INFO,
        "an ignore that ignores nothing",
        "The fleet file says a finding does not count, and there is none. It may hide the next one.",
        "Take it away.",
        "findings: and ignore: of the fleet file",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""By code."""
