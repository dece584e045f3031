"""Sizes, harmless text, shell words, places and versions: what every room stands on."""

from __future__ import annotations

import subprocess
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.commands import Read, Write
from fleet.hardware import ACCELERATORS, accelerator
from fleet.model import Arguments, Engine, GpuId, Place, Scalar, Version
from fleet.text import clean, clean_lines
from fleet.units import GiB, count, duration, gib, gib_text, parse_duration, parse_size


class TestUnits:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("1.5 GB", 1_500_000_000), ("1 GiB", GiB), ("800MiB", 800 << 20), ("0 B", 0), (" 2 tb ", 2 * 10**12)],
    )
    def test_a_size_is_read_with_its_unit(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "5", "GB", "-1 GB", "1 XB", "1.5.1 GB", "one GB"])
    def test_what_is_no_size_is_refused_in_a_sentence(self, text: str) -> None:
        with pytest.raises(ValueError, match="write a number and a unit"):
            parse_size(text)

    def test_sizes_and_counts_are_written_for_people(self) -> None:
        assert (gib(98.64 * GiB), gib_text(98.64 * GiB), gib_text(GiB // 3)) == ("98.6", "98.6 GiB", "0.33 GiB")
        assert count(33120) == "33,120"

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (3661, "1 h 1 min"), (90000, "1 d 1 h")],
    )
    def test_a_time_is_told_in_its_two_largest_units(self, seconds: float, words: str) -> None:
        assert duration(seconds) == words

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("90 s", 90), ("15min", 900), ("15m", 900), ("1.5h", 5400), (" 2 d ", 172_800), ("1w", 604_800)],
    )
    def test_a_time_span_is_read_with_its_unit(self, text: str, seconds: float) -> None:
        assert parse_duration(text) == seconds

    @pytest.mark.parametrize("text", ["", "5", "h", "-1 h", "1 y", "1h30m", "yesterday"])
    def test_what_is_no_time_span_is_refused_in_a_sentence(self, text: str) -> None:
        with pytest.raises(ValueError, match="write a number and s, min"):
            parse_duration(text)


class TestText:
    @given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[]0;31m\x07\x9b\u202e\u200b\n\t"), max_size=200))
    def test_clean_text_has_nothing_a_terminal_obeys(self, text: str) -> None:
        cleaned = clean(text, 50)
        assert len(cleaned) <= 50
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in cleaned)
        assert not set(cleaned) & set("\u200b\u200e\u202a\u202e\u2066\u2069\ufeff\u2028")

    @given(st.text(max_size=100))
    def test_cleaning_clean_text_changes_nothing(self, text: str) -> None:
        assert clean(clean(text)) == clean(text)

    @pytest.mark.parametrize(
        ("text", "cleaned"),
        [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07name", "name"),
            ("a\nb\tc", "a b c"),
            ("\x9b2Jgone", "gone"),
            ("x" * 500, "x" * 399 + "…"),
            ("[bold]not markup[/]", "[bold]not markup[/]"),
        ],
    )
    def test_escape_sequences_go_and_words_stay(self, text: str, cleaned: str) -> None:
        assert clean(text) == cleaned

    def test_lines_keep_their_indentation(self) -> None:
        assert clean_lines("a\n  b\x07\n") == ["a", "  b"]


class TestCommands:
    words = st.lists(
        st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
    )

    @given(words.filter(bool))
    @settings(max_examples=40)
    def test_every_word_reaches_a_real_shell_as_it_is(self, arguments: list[str]) -> None:
        line = Read(("printf", r"%s\0", *arguments)).line
        done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
        assert done.stdout == b"".join(word.encode() + b"\0" for word in arguments)

    def test_a_command_becomes_root_by_sudo_that_never_asks(self) -> None:
        command = Write(("systemctl", "stop", "a b"))
        assert command.as_root("sudo").line == "sudo -n -- systemctl stop 'a b'"
        assert command.as_root("none") == command
        assert isinstance(command.as_root("sudo"), Write)

    def test_what_goes_to_standard_input_is_shown_as_a_here_document(self) -> None:
        assert Write(("tee", "f"), b"a\nb\n").shown == "tee f <<'EOF'\na\nb\nEOF"

    @pytest.mark.parametrize("words", [(), ("a\0b",)])
    def test_no_words_and_nul_are_refused(self, words: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="NUL"):
            Read(words)


class TestPlaces:
    @pytest.mark.parametrize(
        ("text", "gpus"),
        [("gpu01/0", (0,)), ("gpu01/4-6", (4, 5, 6)), ("gpu01/4,6", (4, 6)), ("gpu01/1,3-5", (1, 3, 4, 5))],
    )
    def test_a_place_is_read(self, text: str, gpus: tuple[int, ...]) -> None:
        assert Place.parse(text) == Place("gpu01", gpus)

    @given(st.sets(st.integers(0, 63), min_size=1))
    def test_a_place_written_is_read_again(self, gpus: set[int]) -> None:
        place = Place("gpu01", tuple(sorted(gpus)))
        assert Place.parse(str(place)) == place

    @pytest.mark.parametrize(
        "text", ["gpu01", "gpu01/", "/1", "gpu01/6-4", "gpu01/1,1", "gpu01/a", "gpu01/1-", "gpu01/-1"]
    )
    def test_what_is_no_place_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"place|twice|counts down"):
            Place.parse(text)

    def test_one_gpu_is_written_with_its_host(self) -> None:
        assert str(GpuId.parse("gpu01/3")) == "gpu01/3"
        with pytest.raises(ValueError, match="one is meant"):
            GpuId.parse("gpu01/3-4")


class TestVersionsAndEngines:
    @pytest.mark.parametrize("older, newer", [("0.9.0", "0.9.1"), ("0.9", "0.10.0"), ("0.8.5.post1", "0.9.0")])
    def test_versions_are_ordered_by_their_numbers(self, older: str, newer: str) -> None:
        assert Version(older) < Version(newer)
        assert Version(newer) >= Version(older)
        assert str(Version(older)) == older

    def test_a_version_compares_with_numbers(self) -> None:
        assert Version("0.9.2") >= (0, 9, 2)
        assert Version("0.20") == (0, 20, 0)
        assert Version("0.6.4.dev9+g5d264f4a") < (0, 6, 5)

    @pytest.mark.parametrize("text", ["", "latest", "-1"])
    def test_what_is_no_version_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a version"):
            Version(text)

    def test_an_engine_may_have_a_version(self) -> None:
        assert str(Engine.parse("vllm 0.9.0")) == "vllm 0.9.0"
        assert Engine.parse("whisper").version is None
        with pytest.raises(ValueError, match="not an engine we know"):
            Engine.parse("wllm 0.9.0")


class TestArguments:
    def test_replacing_leaves_the_old_ones_alone(self) -> None:
        args = Arguments({"a": 1, "b": True})
        assert args.replace("a", 2) == Arguments({"a": 2, "b": True})
        assert args.replace("b", None) == Arguments({"a": 1})
        assert args == Arguments({"a": 1, "b": True})
        assert hash(args) == hash(Arguments({"a": 1, "b": True}))

    def test_values_are_read_as_what_they_should_be(self) -> None:
        values: dict[str, Scalar] = {"n": 5, "x": 0.5, "on": True, "t": "text"}
        args = Arguments(values)
        assert (args.integer("n", 1), args.integer("x", 1), args.integer("on", 1)) == (5, 1, 1)
        assert (args.number("x", 0.9), args.number("on", 0.9), args.number("none", 0.9)) == (0.5, 0.9, 0.9)
        assert (args.text("t", ""), args.text("none", "d"), args.flag("on"), args.flag("n")) == (
            "text",
            "d",
            True,
            False,
        )


def test_an_accelerator_is_found_whatever_its_case() -> None:
    assert accelerator("mi300x").total_bytes == 206_141_652_992
    assert accelerator("MI300X-VF").total_bytes == 205_822_885_888
    with pytest.raises(KeyError):
        accelerator("MI999")
    assert all(kind.total_bytes > 0 and kind.bandwidth > 0 for kind in ACCELERATORS.values())
