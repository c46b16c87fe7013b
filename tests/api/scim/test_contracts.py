"""What Entra ID and Okta send, as their documentation tells it, and the examples of RFC 7644."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.api.scim.client import ScimClient

pytestmark = [pytest.mark.django_db, pytest.mark.database]

CONTRACTS = sorted((Path(__file__).parent / "contracts").glob("*.json"))


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_the_recorded_requests_are_answered_as_their_client_expects(
    scim: ScimClient, path: Path
) -> None:
    known: dict[str, str] = {}
    for step in json.loads(path.read_text(encoding="utf-8")):
        method, address, *documents = filled(step["send"], known)
        place, _, query = address.partition("?")
        answer = scim.send(method, place, *documents, query=dict(parse_qsl(query)))
        assert answer.status == step["status"], f"{step['what']}: {answer.body}"
        assert_has(answer.body, filled(step.get("has", {}), known), step["what"])
        assert not set(step.get("lacks", ())) & answer.body.keys(), step["what"]
        known |= {name: answer.body[field] for name, field in step.get("keep", {}).items()}


def filled(value: Any, known: dict[str, str]) -> Any:
    """`value` with the ids that are known by now in the place of their names in braces."""
    if isinstance(value, dict):
        return {key: filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace(f"{{{name}}}", text)
    return value


def assert_has(found: Any, wanted: Any, what: str) -> None:
    """That everything in `wanted` is in `found`; lists have as many values, in that order."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict), f"{what}: {found}"
        for key, value in wanted.items():
            assert_has(found.get(key), value, f"{what}: {key}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), f"{what}: {found}"
        assert len(found) == len(wanted), f"{what}: {found}"
        for each, value in zip(found, wanted, strict=True):
            assert_has(each, value, what)
    else:
        assert found == wanted, what
