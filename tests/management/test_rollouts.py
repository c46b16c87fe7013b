"""`rollouts`: listed, shown, decided on; who approves proves who they are."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.roles import Role
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import AuditEvent, ConsoleUser, Rollout, SipServer
from provisioning.services.actor import Actor
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_pool, make_store

pytestmark = pytest.mark.django_db

PASSWORD = "a very long password"


@pytest.fixture
def rollout(administrator: ConsoleUser) -> Rollout:
    pool = make_pool()
    pool.staged = pool.needs_approval = True
    pool.save()
    make_store(pool=pool)
    set_value(
        place=Place(SettingScope.POOL, pool), setting=CATALOGUE["min_expires"], value=20,
        actor=Actor.of(administrator),
    )  # fmt: skip
    return Rollout.objects.get()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rollouts", *arguments, stdout=out)
    return out.getvalue()


def say(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))


def test_they_are_listed_and_one_is_shown_with_its_stages(rollout: Rollout) -> None:
    assert f"#{rollout.pk} Frankfurt: waiting" in run()
    with pytest.raises(CommandError, match="no pool “elsewhere”"):
        run("--pool", "elsewhere")
    found: dict[str, Any] = json.loads(run(str(rollout.pk), "--json"))["rollouts"][0]
    assert (found["needs approval"], found["left"]) == (True, 1)
    assert [stage["state"] for stage in found["stages"]] == ["waiting"]
    with pytest.raises(CommandError, match="no rollout #99999"):
        run("99999")


def test_nothing_is_done_without_apply(rollout: Rollout) -> None:
    assert "Nothing was changed" in run(str(rollout.pk), "--cancel", "--reason", "no")
    rollout.refresh_from_db()
    assert rollout.state == "waiting"
    run(str(rollout.pk), "--cancel", "--reason", "no", "--apply")
    rollout.refresh_from_db()
    assert rollout.state == "cancelled"
    assert "command line gave it up: no." in rollout.problem


def test_what_is_refused_is_said(rollout: Rollout) -> None:
    with pytest.raises(CommandError, match="Say why"):
        run(str(rollout.pk), "--cancel", "--apply")
    with pytest.raises(CommandError, match="is waiting by now"):
        run(str(rollout.pk), "--resume", "--apply")
    with pytest.raises(CommandError, match="Say which rollout"):
        run("--resume", "--apply")


def test_whoever_approves_gives_their_password_and_is_not_the_author(
    rollout: Rollout, administrator: ConsoleUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator.set_password(PASSWORD)
    administrator.save()
    ConsoleUser.objects.create_user("bea", PASSWORD, role=Role.ADMINISTRATOR)
    approve = [str(rollout.pk), "--approve", "--apply"]
    with pytest.raises(CommandError, match="Say who approves"):
        run(*approve)
    say(monkeypatch, "wrong")
    with pytest.raises(CommandError, match="Wrong user name or password"):
        run(*approve, "--user", "bea")
    say(monkeypatch, PASSWORD)
    with pytest.raises(CommandError, match="somebody else has to approve"):
        run(*approve, "--user", administrator.username)
    say(monkeypatch, PASSWORD)
    run(*approve, "--user", "bea")
    rollout.refresh_from_db()
    assert rollout.is_approved


def test_the_servers_that_come_first_are_chosen_and_told(rollout: Rollout) -> None:
    pool, store = rollout.pool, rollout.stages.get().stores.get()
    for name in ("sip1", "sip2", "sip3"):
        SipServer.objects.create(
            name=name, pool=pool, store=store, sip_host="h", rpc_url="https://192.0.2.1/RPC"
        )
    chosen = ("--pool", pool.name, "--first", "sip3", "sip2")
    assert "come to sip3, sip2, sip1, in this order. Nothing was changed" in run(*chosen)
    assert not AuditEvent.objects.filter(action__contains="order of stages").exists()
    told = json.loads(run(*chosen, "--apply", "--json"))
    assert told["done"] == "Stages of Frankfurt come to sip3, sip2, sip1, in this order."
    event = AuditEvent.objects.get(action__contains="order of stages")
    assert event.detail == {"first servers": ["", "sip3, sip2"]}
    assert "come to sip1, sip2, sip3" in run("--pool", pool.name, "--first", "--apply")
    for wrong, says in ((("sip9",), "no server “sip9”"), (("sip1", "sip1"), "there twice")):
        with pytest.raises(CommandError, match=says):
            run("--pool", pool.name, "--first", *wrong, "--apply")
    with pytest.raises(CommandError, match="Say whose servers"):
        run("--first", "sip1")
