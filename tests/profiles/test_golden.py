"""Every format, byte for byte as somebody once read and approved it."""

from pathlib import Path

import pytest

from provisioning.profiles.registry import RENDERERS
from tests.profiles.samples import ACCOUNT, SETTINGS

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_a_format_renders_exactly_its_golden_files(name: str) -> None:
    rendered = {
        file.name: file.content.decode() for file in RENDERERS[name].render(SETTINGS, ACCOUNT)
    }
    golden = {path.name: path.read_text() for path in (GOLDEN / name).iterdir()}
    assert rendered == golden


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_a_format_is_registered_under_its_own_name(name: str) -> None:
    assert RENDERERS[name].name == name


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_rendering_twice_gives_the_same_documents(name: str) -> None:
    assert RENDERERS[name].render(SETTINGS, ACCOUNT) == RENDERERS[name].render(SETTINGS, ACCOUNT)
