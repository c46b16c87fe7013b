"""The documentation says what the code does, where that can be compared."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class

from provisioning.core.expression_functions import FUNCTIONS
from provisioning.core.records import PERSON_FIELDS
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.states import MEANINGS
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.profiles.registry import RENDERERS
from provisioning.services.alerts.conditions import KINDS
from provisioning.services.console.setup_sections import SECTIONS
from provisioning.services.settings.holding import holders
from tests.docs.pages import PAGES, ROOT, page, rows, sections

COMMANDS = sorted(
    path.stem
    for path in (ROOT / "provisioning/management/commands").glob("*.py")
    if path.stem != "__init__"
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r'env\.\w+\(\s*"(RTCADMIN_\w+)"')


def _own_actions(command: str) -> list[argparse.Action]:
    """What a command adds to the options that every command of Django has."""
    parser = argparse.ArgumentParser()
    load_command_class("provisioning", command).add_arguments(parser)  # type: ignore[arg-type]
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


def _anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_table_of_states_is_the_code_s_own() -> None:
    written = [row for row in rows(page("states.md")) if row[0] != "state"]
    assert written == [
        [meaning.label, meaning.at_server, meaning.clients, meaning.number]
        for meaning in MEANINGS.values()
    ]


def test_every_function_of_expressions_is_written_down_and_no_other() -> None:
    cells = [row[0] for row in rows(sections(page("directory.md"))["Expressions"])]
    written = [cell.strip("`").partition("(")[0] for cell in cells if cell.startswith("`")]
    assert sorted(written) == sorted(FUNCTIONS)


def test_every_field_of_a_person_is_written_down() -> None:
    text = sections(page("directory.md"))["Fields of a person"]
    assert [name for name in PERSON_FIELDS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("kind", DEFAULT_MAPPINGS)
def test_the_presets_are_written_down_as_they_are(kind: str) -> None:
    preset = DEFAULT_MAPPINGS[kind]
    text = sections(page("directory.md"))["Presets"].replace("\\|", "|")
    for value in (preset.key_attribute, preset.person_filter, preset.group_filter, preset.disabled):
        assert not value or f"`{value}`" in text


def test_everything_that_can_be_wrong_is_written_down() -> None:
    cells = rows(sections(page("alerts.md"))["What can be wrong"])
    written = {row[0].strip("`"): row[2] for row in cells if row[0].startswith("`")}
    assert written == KINDS


def test_every_command_has_its_section() -> None:
    assert sorted(sections(page("command-line.md"))) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_options_are_written_down(command: str) -> None:
    text = sections(page("command-line.md"))[command]
    written = set(re.findall(r"--[a-z][a-z-]+", text.partition("```\n\n")[0]))
    options = {name for action in _own_actions(command) for name in action.option_strings}
    assert written == options


def test_every_section_of_a_setup_file_is_written_down() -> None:
    text = sections(page("command-line.md"))["apply_setup"]
    assert [name for name in SECTIONS if f"`{name}`" not in text] == []


def test_every_format_is_written_down() -> None:
    cells = [row[0] for row in rows(sections(page("client-profiles.md"))["Formats"])]
    assert [cell.strip("`") for cell in cells if cell.startswith("`")] == list(RENDERERS)


def test_every_environment_variable_is_written_down_and_no_other() -> None:
    settings = (ROOT / "rtcadmin/settings.py").read_text(encoding="utf-8")
    cells = [row[0] for row in rows(sections(page("running.md"))["Environment variables"])]
    written = [cell.strip("`") for cell in cells if cell.startswith("`")]
    assert sorted(written) == sorted(set(_VARIABLE.findall(settings)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in _LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_setting_is_written_down_as_it_is() -> None:
    kept = {row[0].strip("`"): row for row in rows(page("settings.md")) if row[0].startswith("`")}
    assert set(kept) == set(CATALOGUE)
    for key, (_, label, hint, default, held) in kept.items():
        setting = CATALOGUE[key]
        assert (label, hint) == (setting.label, setting.type.hint)
        assert default == setting.type.show(setting.default)
        assert held == ", ".join(holders(setting)) != ""


def test_every_line_of_the_checklist_says_what_covers_it() -> None:
    lines = {row[0]: row for row in rows(page("settings.md")) if row[0].isdecimal()}
    assert list(lines) == [str(number) for number in range(1, 68)]
    for number, (_, what, covering, elsewhere) in lines.items():
        covers = [f"`{key}`" for key, each in CATALOGUE.items() if int(number) in each.covers]
        assert covering == (", ".join(covers) or "none"), what
        assert covering != "none" or elsewhere != "none", what
