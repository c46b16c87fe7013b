"""adopt_accounts, reconcile and revert_push as they are called."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.sip import ha1
from provisioning.models import OwnedRow, PushRecord
from provisioning.services.push import outbox
from tests.factories import make_account
from tests.push_site import Site, new_lab, new_site, quick, site

__all__ = ["new_lab", "new_site", "quick", "site"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

DOMAIN = "voice.example.com"


def run(*arguments: Any) -> Any:
    out = io.StringIO()
    call_command(*map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


def test_accounts_of_a_file_are_adopted_only_with_apply(site: Site, tmp_path: Path) -> None:
    make_account(user_part="ann")
    digest = ha1("ann", DOMAIN, "old")
    site.execute(
        f"INSERT INTO subscriber (username, domain, ha1) VALUES ('ann', '{DOMAIN}', '{digest}')"  # noqa: S608
    )
    file = tmp_path / "some.csv"
    file.write_text(f"SIP URI;name\nann@{DOMAIN}\n")
    command = ("adopt_accounts", site.store.name, "--aors", file)
    assert run(*command)["adopted"] == 1
    assert not OwnedRow.objects.exists()
    assert run(*command, "--apply")["adopted"] == 1
    assert OwnedRow.objects.exists()
    assert site.subscribers() == {f"ann@{DOMAIN}": digest}
    with pytest.raises(CommandError, match="There is no group"):
        run("adopt_accounts", site.store.name, "--group", "Nobody's")


def test_drift_is_the_exit_code_and_repaired_on_demand(site: Site) -> None:
    make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    before = site.subscribers()
    assert run("reconcile")["stores"][0]["drift"] == 0
    site.execute("UPDATE subscriber SET ha1 = 'x'")
    with pytest.raises(CommandError) as raised:
        run("reconcile", site.store.name)
    assert raised.value.returncode == 1
    assert not site.pending()
    with pytest.raises(CommandError):
        run("reconcile", "--repair")
    site.push()
    assert site.subscribers() == before
    assert run("reconcile")["stores"][0]["drift"] == 0


def test_a_push_is_reverted_only_with_apply_and_a_reason(site: Site) -> None:
    make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    number = PushRecord.objects.get().pk
    assert run("revert_push", number)["deleted"] == 2
    with pytest.raises(CommandError, match="Say why"):
        run("revert_push", number, "--apply")
    assert run("revert_push", number, "--apply", "--reason", "wrong")["deleted"] == 2
    assert site.subscribers() == {}
