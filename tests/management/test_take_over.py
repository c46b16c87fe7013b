"""adopt_accounts, reconcile and revert_push as they are called."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from provisioning.core.sip import ha1
from provisioning.models import OwnedRow, PushRecord
from provisioning.services.push import drift_rows, outbox
from tests.factories import make_account, make_store
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


def test_drift_is_ignored_until_a_day_or_taken_over(site: Site) -> None:
    account = make_account(user_part="ann")
    make_account(user_part="bob")
    outbox.mark_store(site.store)
    site.push()
    theirs = ha1("ann", DOMAIN, "theirs")
    site.execute(f"UPDATE subscriber SET ha1 = '{theirs}'")  # noqa: S608
    bob, day = f"bob@{DOMAIN}", ("--until", str(timezone.localdate() + timedelta(days=3)))
    for wrong, says in (
        (("--ignore", "--reason", "x"), "Say until which day"),
        (("--ignore", *day), "Say why"),
        (("--ignore", "--until", "2001-01-01", "--reason", "x"), "within the next year"),
        (("--ignore", *day, "--reason", "x", "--of", "cy@x"), "no such difference"),
    ):
        with pytest.raises(CommandError, match=says) as raised:
            run("reconcile", *wrong, "--apply")
        assert raised.value.returncode == 2
    ignore = ("reconcile", "--ignore", *day, "--reason", "Migration", "--of", bob)
    for _ in range(2):
        with pytest.raises(CommandError, match="There is drift"):
            run(*ignore)
    assert drift_rows.open_drift(store=site.store).count() == 2
    with pytest.raises(CommandError, match="There is drift"):
        run(*ignore, "--apply")
    assert [row.key for row in drift_rows.open_drift(store=site.store)] == [account.aor]
    told = run("reconcile", "--take-over", "--apply")
    assert told["done"] == "1 difference taken over."
    assert run("reconcile")["stores"][0]["ignored"] == 1
    account.refresh_from_db()
    assert account.credential.secret() is None


def test_pushes_are_listed_with_the_numbers_that_revert_them(site: Site) -> None:
    assert run("revert_push") == {"pushes": []}
    make_account(user_part="ann")
    outbox.mark_store(site.store)
    site.push()
    (told,) = run("revert_push")["pushes"]
    record = PushRecord.objects.get()
    assert (told["push"], told["created"], told["store"]) == (record.pk, 2, site.store.name)
    with pytest.raises(CommandError, match="Say which push"):
        run("revert_push", "--apply")
    with pytest.raises(CommandError, match="no push 99999"):
        run("revert_push", 99999)


def test_a_store_that_cannot_be_read_is_said_also_where_csv_is_asked_for(db: None) -> None:
    store = make_store(host="127.0.0.1", port=1, tls=False, user="nobody")
    for form in ("--json", "--csv"):
        with pytest.raises(CommandError, match="cannot be used right now"):
            call_command("observe_server", store.name, form)


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
