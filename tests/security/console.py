"""A console with one of everything, every address of it, and what a browser would send there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from lxml import html

from provisioning.core.roles import Role
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import (
    AlertChannel,
    Alias,
    ClientProfile,
    ConsoleUser,
    DirectorySource,
    Drift,
    GroupAddress,
    Number,
    NumberRange,
    Pin,
    PlannedChange,
    Proposal,
    ProvisioningLink,
    PushRecord,
    Rehire,
    RoleGroup,
    Rollout,
    Run,
    ScimToken,
    SipServer,
    WrittenAttribute,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import (
    make_account,
    make_domain,
    make_gateway,
    make_group,
    make_person,
    make_pool,
    make_route,
    make_rule,
    make_site,
    make_store,
    make_trusted_host,
)
from tests.services.company import memory_source


def patterns(found: list[Any] | None = None) -> Iterator[URLPattern]:
    """Every address that the console answers."""
    for entry in get_resolver().url_patterns if found is None else found:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns)
        else:
            yield entry


@dataclass(frozen=True)
class Furnished:
    """One row of everything, by the beginning of its addresses."""

    rows: dict[str, Any]

    def address(self, pattern: URLPattern, **others: str) -> str:
        """The address of `pattern` for the rows that exist, or for `others` in their place."""
        route = str(pattern.pattern)
        start = next((key for key in self.rows if route.startswith(f"{key}/")), "")
        for name in pattern.pattern.converters:
            row = str(self.rows[start if name == "pk" else name])
            route = re.sub(rf"<\w+:{name}>", others.get(name, row).replace("\\", r"\\"), route)
        return f"/{route}"


def furnish() -> Furnished:
    """Make one of everything, with values that hold."""
    now = timezone.now()
    source = memory_source(name="Head office")
    person = make_person(source=source)
    site, pool, domain = make_site(), make_pool(), make_domain()
    store = make_store(dialect="sqlite", database="none.db")
    server = SipServer.objects.create(
        name="sip1", pool=pool, store=store, sip_host="127.0.0.1", rpc_url="http://127.0.0.1:9/RPC"
    )
    profile = ClientProfile.objects.create(name="Standard", is_default=True)
    account = make_account(person=person, site=site)
    number = Number.objects.create(e164="+442079460123", account=account, state="assigned")
    free = Number.objects.create(e164="+442079460124", state="free")
    group = make_group(members=(person,))
    role_group = RoleGroup.objects.create(source=source, group=group, role=Role.VIEWER)
    rule = make_rule(group=group, profile=profile)
    numbers = NumberRange.objects.create(
        name="London", first="+442079460000", last="+442079460999", site=site
    )
    pin = Pin.objects.create(account=account, field="pool", value=str(pool.pk), reason="test")
    link = ProvisioningLink.objects.create(
        account=account, format="linphone", token_hash="0" * 64, expires_at=now
    )
    run = Run.objects.create(kind="sync", source=source, state="waiting", digest="d")
    change = PlannedChange.objects.create(
        run=run, source_id=source.pk, ordinal=1, kind="account", key=account.aor,
        subject=person.guid, name=account.name, action="update", status="held", at=now,
        before={"name": "Ann"}, after={"name": "Anne"},
    )  # fmt: skip
    written = WrittenAttribute.objects.create(
        source=source, attribute="proxyAddresses", expression="aor"
    )
    alias = Alias.objects.create(
        account=account, domain=domain, user_part="old", aor=f"old@{domain}", ends_at=now,
        created_at=now,
    )  # fmt: skip
    Proposal.objects.create(account=account, aor=f"new@{domain}", created_at=now)
    former = make_person("Ann Lee", source=source, left_at=now)
    rehire = Rehire.objects.create(
        person=person, former=former, evidence=[["employee ID", "4711"]], created_at=now
    )
    scim = DirectorySource.objects.create(name="Entra ID", kind="scim", key_attribute="id")
    token = ScimToken.objects.create(
        source=source, name="Entra ID", key="0" * 12, secret_hash="0" * 64, expires_at=now
    )
    rollout = Rollout.objects.create(
        pool=pool, what="configuration", about="route +44", created_at=now, digest="d"
    )
    rollout.stages.create(ordinal=1, name="sip1")
    record = PushRecord.objects.create(store=store, at=now, created=1)
    Drift.objects.create(
        store=store, kind="subscriber", key=account.aor, problem="changed", first_seen=now,
        seen_at=now, fields=[["password", None, None]],
    )  # fmt: skip
    user = ConsoleUser.objects.create_user("other", "somebody else's", role=Role.VIEWER)
    assert number.pk != free.pk
    channel = AlertChannel.objects.create(
        name="hook", kind="webhook", url="http://127.0.0.1:9/", severities=["critical"]
    )
    gateway = make_gateway()
    group_address = GroupAddress.objects.create(
        name="Support", domain=domain, user_part="support", target="sip:600@pbx.example.com:5060"
    )
    ranked = Place(SettingScope.GROUP, group)
    set_value(place=ranked, setting=CATALOGUE["max_devices"], value=3, actor=COMMAND_LINE)
    return Furnished({
        "routes": make_route("+", gateway).pk, "gateways": gateway.pk,
        "group-addresses": group_address.pk,
        "trusted-hosts": make_trusted_host().pk, "served": server.pk, "path": "auths/single",
        "settings/groups": group.pk, "settings": account.pk, "scope": "account",
        "key": "max_devices",
        "alerts/channels": channel.pk, "rollouts": rollout.pk,
        "accounts": account.pk, "rules": rule.pk, "administration": user.pk, "changes": run.pk,
        "profiles": profile.pk, "groups": group.pk, "numbers/ranges": numbers.pk,
        "numbers": free.pk, "people": person.pk, "pools": pool.pk, "stores": store.pk,
        "domains": domain.pk, "sites": site.pk, "servers": server.pk, "sources": source.pk,
        "link": link.pk, "pin_pk": pin.pk, "change": change.pk, "role_group": role_group.pk,
        "alias_pk": alias.pk, "rehire": rehire.pk,
        "written": written.pk, "record": record.pk, "token": "nothing",
        "scim": scim.pk, "scim_token": token.pk, "uid": "nobody", "rest": "Bulk",
    })  # fmt: skip


_CONTROLS = ".//*[self::input or self::select or self::textarea or self::button][@name]"


@dataclass(frozen=True)
class Form:
    """A form of a page: where it goes, and what it sends as it stands there.

    `kinds` are those of HTML (text, number, hidden, select, …), by the name of the field.
    """

    method: str
    action: str
    fields: dict[str, list[str]]
    kinds: dict[str, str]


def forms_of(page: bytes, address: str) -> list[Form]:
    """Every form of a page with the values that it shows."""
    found = []
    document: Any = html.document_fromstring(page)
    for form in document.forms:
        fields: dict[str, list[str]] = {}
        for name, value in form.form_values():
            fields.setdefault(name, []).append(value)
        for button in form.xpath(".//button[@name]"):
            fields.setdefault(button.get("name"), [button.get("value", "")])
        fields.pop("csrfmiddlewaretoken", None)
        kinds = {each.get("name"): each.get("type", each.tag) for each in form.xpath(_CONTROLS)}
        action = form.get("action") or form.get("hx-post") or form.get("hx-get") or address
        found.append(Form((form.get("method") or "get").lower(), action, fields, kinds))
    return found


def body_of(response: Any) -> bytes:
    """The whole answer, streamed ones to their end."""
    if response.streaming:
        return b"".join(
            piece if isinstance(piece, bytes) else piece.encode()
            for piece in response.streaming_content
        )
    return bytes(response.content)


def names_asked_for(
    monkeypatch: pytest.MonkeyPatch, client: Client, address: str, method: str
) -> set[str]:
    """The parameters that a view looks at when it gets none."""
    asked: set[str] = set()
    with monkeypatch.context() as patch:
        for reader in ("get", "getlist", "__getitem__", "__contains__"):
            patch.setattr(QueryDict, reader, _recording(asked, getattr(QueryDict, reader)))
        getattr(client, method)(address)
    return asked - {"csrfmiddlewaretoken"}


def _recording(asked: set[str], reader: Any) -> Any:
    def read(self: QueryDict, key: Any, *more: Any, **given: Any) -> Any:
        if isinstance(key, str):
            asked.add(key)
        return reader(self, key, *more, **given)

    return read
