"""SGLang's figures; without ``--enable-metrics`` it has no such page."""

from __future__ import annotations

from fleet.telemetry.engines.vocabulary import Term, Vocabulary

WORDS = Vocabulary(
    running=Term(("sglang:num_running_reqs",)),
    waiting=Term(("sglang:num_queue_reqs",)),
    kv_usage=Term(("sglang:token_usage",)),
    prompt_tokens=Term(("sglang:prompt_tokens_total",)),
    generated_tokens=Term(("sglang:generation_tokens_total",)),
    finished=Term(("sglang:num_requests_total",)),
    errors=Term(("sglang:num_aborted_requests_total",)),
    time_to_first_token=Term(("sglang:time_to_first_token_seconds_bucket",)),
    inter_token=Term(("sglang:inter_token_latency_seconds_bucket", "sglang:time_per_output_token_seconds_bucket")),
    end_to_end=Term(("sglang:e2e_request_latency_seconds_bucket",)),
    generating=Term(("sglang:gen_throughput",)),
    replica="dp_rank",
    counts_late=True,
)
"""With priorities, the queues' totals are said beside their parts; with every rank reporting, each says the same. The
largest of a replica's figures is its total in both cases."""
