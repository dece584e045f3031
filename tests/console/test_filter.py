"""The filter language means what it says, and says where it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_demo import RecordedSession

from console.filter import FIELDS, Filter, FilterError, parse
from fleet.inventory.changes import Disable, apply


def matching(session: RecordedSession, text: str) -> set[str]:
    wanted = parse(text)
    return {model.name for gpu in session.state().gpus for model in gpu.models if wanted((gpu, model))}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("role=code", {"deepcoder-14b", "devstral-small"}),
        ("whisper", {"kb-whisper-large"}),
        ("gpu=gpu01/0 & role!=chat", {"kb-whisper-large"}),
        ("role=speech | role=rerank", {"kb-whisper-large", "bge-reranker"}),
        ("role=code & devstral | role=speech", {"devstral-small", "kb-whisper-large"}),
        ("role=code & (devstral | role=speech)", {"devstral-small"}),
        ("!healthy", set()),
        ("state~serv & engine~llama.cpp", {"mai-ds-r1"}),
        ("live>191", {"deepcoder-14b", "devstral-small"}),
        ("est<70 & kv>=0", {"mistral-small-24b"}),
        ("kv>100", set()),
    ],
)
def test_a_filter_picks_models(session: RecordedSession, text: str, names: set[str]) -> None:
    assert matching(session, text) == names


def test_a_filter_counts_models_once_and_gpus_without_models(session: RecordedSession) -> None:
    session.adopt(apply(session.inventory, [Disable("gemma-3-27b")]))

    def told(text: str) -> str:
        wanted = Filter.read(text)
        assert wanted
        return str(wanted.matches(session.blank_state()))

    assert told("mai-ds-r1") == "(1 of 10 models)"
    assert told("gpu=gpu01/7") == "(1 empty GPU)"
    assert told("host=gpu01") == "(10 of 10 models, 1 empty GPU)"
    assert told("qwenx") == "matches nothing"


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("role=", 6, "A value is expected"),
        ("rolle=chat", 1, "no field 'rolle'"),
        ("est>many", 5, "compares numbers"),
        ("(role=chat", 1, "never closed"),
        ("role=chat live>5", 11, "not expected here"),
        ("& x", 1, "is expected here"),
        ("a" * 600, 513, "at most 512"),
    ],
)
def test_an_error_names_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(FilterError, match=words) as raised:
        parse(text)
    assert raised.value.column == column


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*FIELDS, "&", "|", "!", "(", ")", "=", ">", "5", "x"])).map(" ".join)
)
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse(text)
    except FilterError as error:
        assert 1 <= error.column <= max(len(text) + 1, 513)
