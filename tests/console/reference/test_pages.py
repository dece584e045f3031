"""The pages of `docs/` are what gpudeck itself says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from console.cli import COMMANDS
from console.keys import KEYS
from console.reference.commands import commands
from console.reference.pages import PAGES
from fleet.findings.registry import RULES

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_would_be_made_now(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `python -m console.reference` and look"


def test_every_command_and_each_of_its_options_is_in_the_manual() -> None:
    page = (DOCS / "gpudeck.1").read_text(encoding="utf-8").replace("\\-", "-")
    assert [command.name for command in commands()] == ["", *COMMANDS]
    for command in commands():
        assert f".SS gpudeck {command.name}".strip() in page
        for option in command.options:
            assert f"\\fB{option.flags[-1]}\\fR" in page


def test_every_key_and_every_finding_has_its_row() -> None:
    keys = (DOCS / "keys.md").read_text(encoding="utf-8")
    findings = (DOCS / "findings.md").read_text(encoding="utf-8")
    assert all(key.help.replace("|", "\\|") in keys for key in KEYS)
    assert all(f"\n## {code}: " in findings for code in RULES)


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_roff_finds_nothing_wrong_with_the_manual() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", DOCS / "gpudeck.1"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "gpudeck explain" in re.sub(r".\x08", "", done.stdout)


def test_no_link_between_documents_is_broken() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_documents_say_to_type_is_what_gpudeck_takes() -> None:
    flags = {command.name: {flag for option in command.options for flag in option.flags} for command in commands()}
    typed = re.compile(r"(?:^    |`)gpudeck ([a-z]+)(?=[ `\n])([^`\n]*)", re.MULTILINE)
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for name, rest in typed.findall(page.read_text(encoding="utf-8")):
            assert name in flags, f"{page.name}: gpudeck {name}"
            if name != "estimate":  # which takes the engines' flags too
                given = set(re.findall(r"(?<= )--?[a-z][a-z-]*", rest.split("   ")[0]))
                assert given <= flags[name] | {"--help"}, f"{page.name}: gpudeck {name}{rest}"
