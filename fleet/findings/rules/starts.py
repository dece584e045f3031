"""What an engine refuses, or what would not fit: whether a model starts, and stays."""

from __future__ import annotations

from fleet.findings import Severity
from fleet.findings.rules import Rule

RULES = (
    Rule(
        "ARG001",
        Severity.WARNING,
        "an argument that is no flag of the engine",
        "The engine's version has no such flag: it is misspelt, another engine's, of an older or a newer version, or "
        "one gpudeck does not know; or the flag takes no such value. vLLM and llama.cpp refuse to start with it; "
        "gpudeck's estimate leaves it out, so what it was to change is not in the numbers.",
        "Write the flag as the engine does. Where gpudeck does not know one the engine has, ignore ARG001 for the "
        "model: it is an info then, and changes nothing.",
        "the argument parsers of vLLM 0.6.1 to 0.15 and SGLang; llama.cpp tools/server/README.md; the options of "
        "text-embeddings-router and infinity_emb",
    ),
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
)
