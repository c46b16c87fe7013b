"""The vendored icons: every one is used, and every one that is used is there."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from django.conf import settings

from provisioning.core.states import MEANINGS
from provisioning.web.runs.plan_rows import LOOKS
from provisioning.web.shell import SECTIONS
from provisioning.web.words import BADGES

ICONS = {path.stem for path in (settings.BASE_DIR / "static/vendor/icons").glob("*.svg")}
# {% icon "phone" %}, {% badge "Waits" "yellow" "hourglass" %}, {% alert "red" "lock" %}, icon="x"
_NAMED = (
    re.compile(r"""{% icon ["']([^"']+)["']"""),
    re.compile(r"""{% badge \S.*? ["'][a-z]+["'] ["']([a-z0-9-]+)["'] %}"""),
    re.compile(r"""{% alert ["'][a-z]+["'] ["']([a-z0-9-]+)["'] %}"""),
    re.compile(r"""\bicon=["']([^"']+)["']"""),
)
_IN_CODE = re.compile(r""""icon": "([a-z0-9-]+)\"""")
_LITERAL = re.compile(r"""["']([a-z0-9-]+)["']""")


def sources() -> dict[str, str]:
    """Templates and code, each with its text."""
    root = settings.BASE_DIR
    paths = chain((root / "templates").rglob("*.html"), (root / "provisioning").rglob("*.py"))
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def test_every_icon_that_is_named_is_there() -> None:
    named = {
        (name, path)
        for path, text in sources().items()
        for pattern in (*_NAMED, _IN_CODE)
        for name in pattern.findall(text)
    }
    assert len(named) > 100
    assert {each for each in named if each[0] not in ICONS} == set()


def test_every_badge_look_state_and_page_has_its_icon() -> None:
    pages = [page for _, pages in SECTIONS for page in pages]
    shown: list[Any] = [*BADGES.values(), *MEANINGS.values(), *LOOKS.values(), *pages]
    assert {each.icon for each in shown} - ICONS == set()


def test_no_icon_is_kept_that_nothing_names() -> None:
    literals = {name for text in sources().values() for name in _LITERAL.findall(text)}
    assert sorted(ICONS - literals) == []
