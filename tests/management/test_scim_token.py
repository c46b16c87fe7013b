"""`manage.py scim_token`: tokens made, listed and revoked without a browser."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.api.scim.client import ScimClient, scim_source

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("scim_token", *arguments, stdout=out)
    return out.getvalue()


def test_a_token_is_made_used_listed_and_revoked() -> None:
    source = scim_source("Entra ID")
    made = json.loads(run("Entra ID", "--new", "2027", "--days", "30", "--json"))
    assert made["tenant_url"].endswith(f"/scim/v2/{source.pk}")
    client = ScimClient(source, made["token"])
    assert client.get("/Users").status == 200
    listed = run("Entra ID")
    assert "works    2027" in listed
    assert made["token"] not in listed
    run("Entra ID", "--revoke", "2027")
    assert client.get("/Users").status == 401
    assert "revoked" in run("Entra ID")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["none"], 3), (["Okta", "--revoke", "x"], 3), (["Okta", "--new", ""], 1)],
)
def test_what_cannot_be_done_has_its_exit_status(arguments: list[str], status: int) -> None:
    scim_source("Okta")
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert error.value.returncode == status
