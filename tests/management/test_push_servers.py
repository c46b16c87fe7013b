"""The command that pushes: dry by default, and its exit code says what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from provisioning.models import Account, AuditEvent, ConfigStore, PendingChange
from provisioning.services import leases
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox, pause
from tests.factories import make_account, make_domain, make_store
from tests.push_site import Site, cluster, either_site, mariadb, new_lab, new_site, quick, site

__all__ = ["cluster", "either_site", "mariadb", "new_lab", "new_site", "quick", "site"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; returns what it says of the first store."""

    def run(*arguments: str, ends: int = 0) -> dict[str, Any]:
        if ends:
            with pytest.raises(CommandError) as caught:
                call_command("push_servers", "--json", *arguments)
            assert caught.value.returncode == ends
        else:
            call_command("push_servers", "--json", *arguments)
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert answer["applied"] == ("--apply" in arguments)
        store: dict[str, Any] = answer["stores"][0]
        return store

    return run


def _account(user_part: str) -> None:
    outbox.mark_account(make_account(user_part=user_part))


def test_it_is_dry_unless_told_otherwise(either_site: Site, run: Run) -> None:
    _account("ann")
    _account("bob")
    answer = run()
    assert answer["state"] == "planned"
    assert answer["kinds"]["subscriber"] == {
        "pending": 2, "create": 2, "change": 0, "delete": 0, "refused": 0, "given_up": 0,
    }  # fmt: skip
    assert either_site.subscribers() == {}
    assert len(either_site.pending()) == 2
    assert not AuditEvent.objects.exists()


def test_applied_it_pushes_what_is_pending(either_site: Site, run: Run) -> None:
    _account("ann")
    answer = run("--apply")
    assert (answer["state"], answer["pushed"], answer["left"]) == ("pushed", 1, 0)
    assert set(either_site.subscribers()) == {"ann@voice.example.com"}
    assert run()["kinds"]["subscriber"]["pending"] == 0


def test_a_preview_tells_creates_changes_and_deletes_apart(site: Site, run: Run) -> None:
    for user in ("ann", "bob"):
        _account(user)
    run("--apply")
    ConfigStore.objects.update(repairs_drift=True)
    site.execute("UPDATE subscriber SET ha1 = 'x' WHERE username = 'ann'")
    make_domain("other.example.com")
    outbox.mark_store(site.store)
    PendingChange.objects.filter(kind="alias").delete()
    kinds = run()["kinds"]
    counts = [kinds["subscriber"][name] for name in ("create", "change", "delete")]
    assert counts == [0, 1, 0]
    assert kinds["sip_domain"]["create"] == 2
    site.store.pool.accounts.filter(user_part="bob").update(state="removed")
    assert run()["kinds"]["subscriber"]["delete"] == 1


def test_everything_finds_and_mends_drift(site: Site, run: Run) -> None:
    _account("ann")
    run("--everything", "--apply")
    before = site.subscribers()
    site.execute("UPDATE subscriber SET ha1 = 'x'")
    assert run()["kinds"]["subscriber"]["change"] == 0
    assert run("--everything")["kinds"]["subscriber"]["change"] == 1
    assert run("--everything", "--apply")["pushed"] == 1
    assert site.subscribers() == before


def test_every_row_that_would_be_written_is_told_without_a_secret(site: Site, run: Run) -> None:
    _account("ann")
    run("--apply")
    account = Account.objects.get()
    rotate_credential(account=account, actor=COMMAND_LINE)
    _account("bob")
    site.execute(
        "INSERT INTO subscriber (username, domain, ha1) "
        "VALUES ('cy', 'voice.example.com', 'theirs')"
    )
    _account("cy")
    before = site.subscribers()
    rows = {row["key"].partition("@")[0]: row for row in run("--details")["rows"]}
    assert {name: row["action"] for name, row in rows.items()} == {
        "ann": "change", "bob": "create", "cy": "refused",
    }  # fmt: skip
    assert rows["ann"]["fields"][0] == ["password", None, None]
    assert ["user", "bob", None] in rows["bob"]["fields"]
    assert "neither created nor adopted" in rows["cy"]["problem"]
    told = json.dumps(rows)
    assert "theirs" not in told
    assert before["ann@voice.example.com"] not in told
    assert site.subscribers() == before
    outbox.mark_account(account)
    Account.objects.update(state="removed")
    rows = {row["key"].partition("@")[0]: row for row in run("--details", "--everything")["rows"]}
    assert rows["ann"]["action"] == "delete"
    assert ["user", None, "ann"] in rows["ann"]["fields"]
    with pytest.raises(CommandError, match="goes without --apply"):
        call_command("push_servers", "--details", "--apply")


def test_what_was_given_up_is_tried_again_when_asked(site: Site, run: Run) -> None:
    _account("ann")
    PendingChange.objects.update(dead=True, problem="Too often")
    assert run()["kinds"]["subscriber"]["given_up"] == 1
    assert run("--apply", ends=1)["pushed"] == 0
    assert run("--apply", "--retry")["pushed"] == 1
    assert set(site.subscribers()) == {"ann@voice.example.com"}
    assert AuditEvent.objects.filter(action="retried", actor_name="command line").count() == 1
    assert run("--apply", "--retry")["state"] == "pushed"


def test_a_foreign_row_is_refused_and_left_as_it_is(site: Site, run: Run) -> None:
    site.execute(
        "INSERT INTO subscriber (username, domain, ha1) "
        "VALUES ('ann', 'voice.example.com', 'theirs')"
    )
    _account("ann")
    assert run()["kinds"]["subscriber"]["refused"] == 1
    answer = run("--apply", ends=1)
    assert (answer["failed"], answer["left"]) == (1, 1)
    assert site.subscribers() == {"ann@voice.example.com": "theirs"}


def test_an_observed_store_is_shown_and_never_pushed_to(site: Site, run: Run) -> None:
    ConfigStore.objects.update(mode=ConfigStore.Mode.OBSERVE)
    assert run()["state"] == "observed"
    assert run("--apply")["state"] == "observed"
    run(site.store.name, "--apply", ends=1)
    assert site.subscribers() == {}


def test_a_pause_ends_with_3_and_keeps_what_is_pending(site: Site, run: Run) -> None:
    _account("ann")
    pause.pause(reason="maintenance", actor=COMMAND_LINE)
    assert run("--apply", ends=3)["state"] == "paused"
    assert len(site.pending()) == 1
    assert site.subscribers() == {}


def test_a_store_that_a_worker_pushes_to_ends_with_3(site: Site, run: Run) -> None:
    _account("ann")
    row = ConfigStore.objects.filter(pk=site.store.pk)
    leases.claim(row, "somebody else", settings.PUSH_LEASE)
    assert run("--apply", ends=3)["state"] == "busy"
    assert len(site.pending()) == 1


def test_an_unreachable_store_ends_with_1_and_says_why(run: Run) -> None:
    make_store(host="127.0.0.1", port=1, tls=False, user="nobody")
    _account("ann")
    for arguments in ((), ("--apply",)):
        answer = run(*arguments, ends=1)
        assert answer["state"] == "failed"
        assert "127.0.0.1" in answer["problem"]
    assert PendingChange.objects.count() == 1


def test_an_unknown_store_is_named_with_those_there_are(site: Site) -> None:
    with pytest.raises(CommandError, match=f"no store “nowhere”. There are: {site.store}"):
        call_command("push_servers", "nowhere")


def test_people_read_a_table_and_that_nothing_was_written(site: Site) -> None:
    _account("ann")
    out = io.StringIO()
    call_command("push_servers", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == f"{site.store}: planned"
    assert lines[3].split() == ["subscriber", "1", "1", "0", "0", "0", "0"]
    assert lines[-1] == "Nothing was written. Add --apply to push."
