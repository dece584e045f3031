"""Words and assignments of unit files, as systemd reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.services.unit_syntax import assignments, literal, quoted, words


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--max-model-len", "--max-model-len"),
        ("two words", '"two words"'),
        ("", '""'),
        ("100%", '"100%%"'),
        ("$HOME", '"$$HOME"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb", r'"a\x0ab"'),
        (";", '";"'),
        ("-ngl", "-ngl"),
    ],
)
def test_a_word_is_quoted_only_where_it_needs_to_be(text: str, written: str) -> None:
    assert quoted(text, expands=True) == written


def test_a_dollar_stays_single_where_the_setting_expands_nothing() -> None:
    assert quoted("a $b", expands=False) == '"a $b"'


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quoted("a\0b", expands=True)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)))
def test_what_is_quoted_is_read_back_as_the_same_words(texts: list[str]) -> None:
    line = " ".join(quoted(text, expands=True) for text in texts)
    assert [literal(word.text, expands=True) for word in words(line)] == texts


def test_quotes_and_escapes_are_undone_and_unknown_escapes_kept() -> None:
    found = words(r"""/bin/x 'one two' "a\tb" c\x41d --e="f g" \q""")
    assert [word.text for word in found] == ["/bin/x", "one two", "a\tb", "cAd", "--e=f g", r"\q"]
    assert found[4].raw == '--e="f g"'


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(ValueError, match="never closed"):
        words('a "b')


def test_continuation_lines_are_joined_and_comments_between_them_dropped() -> None:
    text = "[Service]\nExecStart=/bin/x \\\n  # a comment\n  --a 1 \\\n  --b 2\n; another\nType=exec\n"
    assert list(assignments(text)) == [
        ("Service", "ExecStart", "/bin/x  --a 1  --b 2"),
        ("Service", "Type", "exec"),
    ]
