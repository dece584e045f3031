"""The figures of servers of embeddings and rerankers: text-embeddings-inference and Infinity."""

from __future__ import annotations

from fleet.telemetry.engines.vocabulary import Term, Vocabulary, labelled

TEI = Vocabulary(
    waiting=Term(("te_queue_size",)),
    prompt_tokens=Term(("te_request_input_length_sum",)),
    finished=Term(("te_request_success",)),
    errors=Term(("te_request_failure",)),
    end_to_end=Term(("te_request_duration_bucket",)),
)

_NO_WORK = frozenset({"/", "/health", "/metrics", "/models", "/v1/models", "/docs", "/openapi.json", "none"})
"""Pages that do not use the model; the first two are mostly asked by those who watch."""
_work = labelled("handler", lambda handler: handler not in _NO_WORK)

INFINITY = Vocabulary(
    finished=Term(("http_requests_total",), _work),
    errors=Term(("http_requests_total",), lambda series: _work(series) and series.label("status").startswith("5")),
    end_to_end=Term(("http_request_duration_seconds_bucket",), _work),
)
"""It counts what its web server sees, with buckets of 0.1, 0.5 and 1 s."""
