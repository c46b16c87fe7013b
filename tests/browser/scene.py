"""A small company in the console, with something to see on every page."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from provisioning.core.calls import CLASSES
from provisioning.core.states import State
from provisioning.models import (
    Account,
    AccountRule,
    AlertChannel,
    ClientProfile,
    ConsoleUser,
    ContactList,
    DirectorySource,
    GroupNesting,
    Number,
    NumberRange,
    RegisteredContact,
    Rehire,
    Run,
    SettingValue,
    SipServer,
)
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import Actor
from provisioning.services.alerts.alerts import look
from provisioning.services.rules.rules import switch_rule
from provisioning.services.runs.runs import execute_run
from tests.factories import (
    make_account,
    make_group,
    make_person,
    make_pool,
    make_rule,
    make_site,
    make_source,
    make_store,
)

# More than a page of a list shows, and more than a limit lets go at once.
PEOPLE = 52


def make_company(user: ConsoleUser) -> Run:
    """People, groups, accounts, numbers, a SIP server, a client profile; the run that waits."""
    source = make_source(name="Company directory", last_complete_at=timezone.now())
    Run.objects.create(kind=Run.Kind.SYNC, source=source, state=Run.State.DONE)
    _make_servers()
    rule = make_rule(name="Everybody", source=source, profile=ClientProfile.objects.get())
    _make_people(source, rule)
    lobby = make_account("Lobby phone", kind="common-area phone", responsible="Facilities")
    block_account(account=lobby, reason="Vandalised", actor=Actor.of(user))
    make_person("Cleo Conflict", source=source, problem="The number +442079460123 is taken.")
    _register_some()
    AlertChannel.objects.create(
        name="Operations", kind="webhook", url="https://hooks.example.com/sip",
        severities=["critical", "warning"], problem="hooks.example.com did not answer in time.",
    )  # fmt: skip
    look()
    return hold_everybody(rule, user)


def hold_everybody(rule: AccountRule, user: ConsoleUser) -> Run:
    """A run that would take everybody's account and therefore waits for approval."""
    switch_rule(rule=rule, enabled=False, actor=Actor.of(user))
    run = execute_run(run_id=Run.objects.latest("pk").pk)
    assert run.state == Run.State.WAITING
    return run


def _make_servers() -> None:
    ClientProfile.objects.create(name="Softphone", is_default=True)
    # A long value beside a long explanation.
    classes = [each.value for each in CLASSES[:-1]]
    SettingValue.objects.create(
        scope="global", key="call_classes", value=classes, at=timezone.now()
    )
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(name="Frankfurt store"),
        sip_host="sip1.example.com", rpc_url="https://sip1.example.com:8443/RPC",
        health=SipServer.Health.UP, version="kamailio 5.6.3", latency_ms=2.1,
        registration_count=12, checked_at=timezone.now(), up_since=timezone.now(),
    )  # fmt: skip
    NumberRange.objects.create(
        name="London", first="+442079460000", last="+442079460999", site=make_site()
    )
    Number.objects.create(e164="+442079460999", state=Number.State.FREE)


def _register_some() -> None:
    """As a look at the store would have kept them; one nobody here knows."""
    server, now = SipServer.objects.get(), timezone.now()
    accounts = list(Account.objects.order_by("pk")[:8])
    ContactList.objects.create(
        store=server.store, known=True, count=9, families={"Yealink SIP-T46U": 9}, read_at=now
    )
    RegisteredContact.objects.bulk_create(
        RegisteredContact(
            store=server.store, server=server, account=account, key=f"uloc-{n}", fingerprint=n,
            aor=account.aor if account else "hall@voice.example.com", domain="voice.example.com",
            contact=f"sip:u{n}@10.20.30.{n + 1}:5061;transport=tls", transport="tls",
            user_agent="Yealink SIP-T46U 108.86.0.45", family="Yealink SIP-T46U", since=now,
            expires_at=now + timedelta(minutes=40), search_key=account.aor if account else "hall",
        )
        for n, account in enumerate([*accounts, None])
    )  # fmt: skip


def _make_people(source: DirectorySource, rule: AccountRule) -> None:
    people = [
        make_person(
            f"Person {n:02}", source=source, mail=f"person.{n}@example.com", department="Sales"
        )
        for n in range(PEOPLE)
    ]
    for n, person in enumerate(people):
        account = make_account(person=person, rule=rule, site=make_site(), state=State.ACTIVE)
        Number.objects.create(
            e164=f"+4420794600{n:02}", state=Number.State.ASSIGNED, account=account
        )
    sales = make_group("Sales", members=tuple(people))
    GroupNesting.objects.create(parent=make_group("Everybody", source=source), child=sales)
    former = make_person("Rita Returned", source=source, left_at=timezone.now())
    Rehire.objects.create(
        person=make_person("Rita Returned", source=source), former=former,
        evidence=[["employee ID", "4711"]], created_at=timezone.now(),
    )  # fmt: skip
