"""No secret leaves the places that are made for it: one whole life of a console, then a search."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import re2
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from lab.kamailio import Kamailio
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN
from provisioning.core.sip import ha1
from provisioning.models import (
    Account,
    ConfigStore,
    ConsoleUser,
    Credential,
    DirectorySource,
    Run,
    SipServer,
)
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import SYNC, Actor
from provisioning.services.push import push
from provisioning.services.runs import runs
from provisioning.services.servers import servers
from provisioning.services.write_back.write_back import set_write_back, settings_of
from provisioning.services.write_back.write_back_runs import write_back_here
from rtcadmin.logs import Formatter
from tests.conftest import PASSWORD
from tests.factories import make_rule
from tests.lab.fixtures import authority, people, slapd
from tests.push_site import Site, cluster, make_server, new_kamailio, new_lab, new_site, quick
from tests.security.console import Furnished, body_of, furnish, patterns
from tests.sources import saved_source, source_form

__all__ = [
    "authority", "cluster", "new_kamailio", "new_lab", "new_site", "people", "quick", "slapd",
]  # fmt: skip

pytestmark = [pytest.mark.database, pytest.mark.django_db]

# What somebody typed in the wrong place or at the wrong time.
TYPED = {
    "wrong password": "wr0ng-and-typed-7316",
    "wrong bind password": "b1nd-and-typed-8842",
    "password of a store that is away": "st0re-and-typed-2205",
    "refused RPC secret": "rpc-and-typed-9917",
    "password of an account that writes": "wr1te-and-typed-5511",
    "token that nobody made": "guessed_token_guessed_token_guessed_token_1",
}


class Search:
    """What must not be found, and where it was looked for."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = dict(TYPED)
        self._wanted, self._pattern = "", re2.compile("")

    def add(self, name: str, value: str | bytes | memoryview) -> None:
        if isinstance(value, str):
            self.secrets[name] = value
            return
        self.secrets[f"{name}, hex"] = bytes(value).hex()
        self.secrets[f"{name}, base64"] = base64.b64encode(bytes(value)).decode()

    def add_credentials(self) -> None:
        """Clear texts, sealed or open, and every digest that they have at a server."""
        for account in Account.objects.select_related("credential", "domain"):
            credential = account.credential
            secret = credential.secret()
            assert secret is not None
            assert credential.sealed_secret is not None
            name = f"credential of {account.aor} v{credential.version}"
            self.add(name, secret)
            self.add(f"sealed {name}", credential.sealed_secret)
            for algorithm in ("MD5", "SHA-256"):
                digest = ha1(credential.auth_user, account.domain.realm, secret, algorithm)
                self.add(f"{algorithm} of {name}", digest)

    def look_in(self, text: str, where: str) -> None:
        """All of them in one pass over the text: there are hundreds, and megabytes of text."""
        wanted = "|".join(map(re2.escape, self.secrets.values()))
        if wanted != self._wanted:
            self._wanted, self._pattern = wanted, re2.compile(wanted)
        found = self._pattern.search(text)
        if found:
            names = [name for name, secret in self.secrets.items() if secret == found[0]]
            raise AssertionError(f"{' and '.join(names)} is in {where}")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the console would write to its log at the most talkative level."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_no_secret_is_anywhere_after_a_whole_life(
    dialect: str,
    slapd: Slapd,
    new_site: Callable[..., Site],
    new_kamailio: Callable[..., Kamailio],
    administrator: ConsoleUser,
    helpdesk: ConsoleUser,
    viewer: ConsoleUser,
    log: io.StringIO,
    messages: list[tuple[str, tuple[int, ...]]],
) -> None:
    furnished = furnish()
    site = new_site(dialect)
    kamailio = new_kamailio(site)
    server = make_server(site, kamailio)
    make_rule(name="Everybody", position=9)
    source = saved_source(slapd, name="Real")
    search = Search()
    search.add("key of sessions", settings.SECRET_KEY)
    search.add("key of secrets", settings.SEALING_KEYS)
    search.add("password of a console user", PASSWORD)
    search.add("bind password", slapd.bind_password)
    search.add("password of everybody in the directory", slapd.person_password)
    search.add("RPC secret", kamailio.rpc_secret)
    search.add("database password", site.store.as_record().secret or TYPED["wrong password"])
    for row, column in ((source, "bind_secret"), (server, "rpc_secret"), (site.store, "secret")):
        sealed = getattr(row, f"sealed_{column}")
        if sealed:
            search.add(f"sealed {column}", sealed)

    # Directory → accounts → server, as always.
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    push.push_store(store_id=site.store.pk)
    servers.check_server_health(server=server)
    search.add_credentials()
    known = set(search.secrets.values())
    stored = [ha1 for (ha1,) in site.rows("SELECT ha1 FROM subscriber WHERE ha1 NOT LIKE '!%'")]
    assert len(stored) > 50
    assert known.issuperset(stored)

    # The directory is written to, by somebody whose password it does not know.
    write_back = settings_of(source)
    write_back.enabled, write_back.bind_dn = True, BIND_DN
    set_write_back(
        write_back=write_back, attributes={"preferredLanguage": "aor"}, elsewhere_expression="",
        secret=TYPED["password of an account that writes"], actor=Actor.of(administrator, "test"),
    )  # fmt: skip
    assert write_back.sealed_secret
    search.add("sealed password of an account that writes", write_back.sealed_secret)
    type(source).objects.update(limit_percent=100)
    refused = write_back_here(source=source, actor=SYNC, dry=False)
    assert refused.state in (Run.State.FAILED, Run.State.WAITING)

    # A link is made, handed out, guessed at.
    account = Account.objects.filter(person__source=source, state="active").earliest("pk")
    console = {user: sign_in(user) for user in (administrator, helpdesk, viewer)}
    page = console[administrator].post(
        f"/accounts/{account.pk}/links/new/", {"format": "linphone", "hours": "24"}
    )
    token = page.content.decode().partition("/p/")[2][:43]
    document = Client().get(f"/p/{token}")
    assert document.status_code == 200
    secret = account.credential.secret()
    assert secret
    assert (
        secret in document.content.decode()
        or search.secrets[f"MD5 of credential of {account.aor} v1"] in document.content.decode()
    )
    assert Client().get(f"/p/{token}").status_code == 404
    assert Client().get(f"/p/{TYPED['token that nobody made']}").status_code == 404
    search.add("token of a link", token)
    rotate_credential(account=account, actor=Actor.of(administrator, "test"))
    push.push_store(store_id=site.store.pk)
    search.add_credentials()

    # Everything fails that can.
    Client().post("/sign-in/", {"username": "anna", "password": TYPED["wrong password"]})
    pages = [
        fail_with_a_password(console[administrator], source, site.store, server),
        console[administrator].get("/audit/?object_type=nonsense"),
        console[viewer].post(f"/accounts/{account.pk}/block/"),
        console[viewer].get("/nowhere/"),
    ]
    slapd.set_bind_password("rotated")
    failed = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=failed.pk)
    failed.refresh_from_db()
    assert failed.state == Run.State.FAILED
    server.set_rpc_secret(TYPED["refused RPC secret"])
    server.save()
    servers.check_server_health(server=server)
    kamailio.stop()
    servers.check_server_health(server=server)
    ConfigStore.objects.filter(pk=site.store.pk).update(
        dialect="postgresql", host="127.0.0.1", port=9, database="away"
    )
    site.store.refresh_from_db()
    site.store.set_secret(TYPED["password of a store that is away"])
    site.store.save()
    rotate_credential(account=account, actor=Actor.of(administrator, "test"))
    search.add_credentials()
    push.push_store(store_id=site.store.pk)
    site.store.refresh_from_db()
    assert site.store.problem

    look_at_pages(search, furnished, account, source.pk, site.store, server, run, console)
    for number, answer in enumerate(flat(pages)):
        search.look_in(body_of(answer).decode("utf-8", "replace"), f"answer {number}")
    look_at_rows(search)
    look_at_commands(search, source.name, site.store.name, account.aor)
    for task, arguments in messages:
        assert all(isinstance(each, int) for each in arguments), task
    assert len(log.getvalue()) > 1000
    search.look_in(log.getvalue(), "the log")


def sign_in(user: ConsoleUser) -> Client:
    client = Client(raise_request_exception=False)
    client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert client.get("/").status_code == 200
    return client


def flat(answers: list[Any]) -> Iterator[Any]:
    for answer in answers:
        if isinstance(answer, list):
            yield from answer
        else:
            yield answer


def fail_with_a_password(
    client: Client, source: Any, store: ConfigStore, server: SipServer
) -> list[Any]:
    """Forms with a password in them, refused for another reason, and tests that fail."""
    bind = {"secret": TYPED["wrong bind password"]}
    bad = source_form(source, person_filter="(broken", **bind)
    rpc = {
        "name": server.name, "pool": str(server.pool_id), "store": str(server.store_id),
        "sip_host": "127.0.0.1", "tls_port": "5061", "rpc_url": server.rpc_url,
        "secret": TYPED["refused RPC secret"],
    }  # fmt: skip
    away = {
        "name": "away", "pool": str(store.pool_id), "driver": "kamailio", "algorithm": "MD5",
        "dialect": "postgresql", "host": "127.0.0.1", "port": "9", "database": "away",
        "user": "rtcadmin", "secret": TYPED["password of a store that is away"],
        "limit_percent": "5", "limit_ceiling": "250",
    }  # fmt: skip
    wrong = {"current": TYPED["wrong password"], "password": TYPED["wrong password"],
             "repeated": "something else entirely"}  # fmt: skip
    return [
        client.post(f"/sources/{source.pk}/edit/", bad),
        client.post(f"/sources/{source.pk}/test/", source_form(source, **bind)),
        client.post(f"/sources/{source.pk}/sample/", source_form(source, **bind)),
        client.post(f"/servers/{server.pk}/test/", rpc),
        client.post(f"/servers/{server.pk}/edit/", {**rpc, "name": ""}),
        client.post("/stores/test/", away),
        client.post("/stores/new/", {**away, "name": ""}),
        client.post("/you/", wrong),
        client.post("/administration/new/", {**wrong, "username": "?"}),
    ]


def look_at_pages(
    search: Search, furnished: Furnished, account: Account, source: int, store: ConfigStore,
    server: SipServer, run: Run, console: dict[ConsoleUser, Client],
) -> None:  # fmt: skip
    real = Furnished({
        **furnished.rows, "accounts": account.pk, "people": account.person_id, "sources": source,
        "stores": store.pk, "servers": server.pk, "changes": run.pk,
    })  # fmt: skip
    for user, client in console.items():
        for pattern in patterns():
            address = real.address(pattern)
            answer = client.get(address, follow=True)
            assert answer.status_code < 500, address
            search.look_in(body_of(answer).decode("utf-8", "replace"), f"{address} for {user}")


def look_at_rows(search: Search) -> None:
    """Every column of every table, but for the sealed ones that are made for secrets."""
    for model in apps.get_models():
        fields = [each for each in model._meta.concrete_fields if "sealed_" not in each.name]
        for row in model._default_manager.all():
            values = [f"{field.name}={field.value_from_object(row)}" for field in fields]
            search.look_in("\n".join([*values, repr(row), str(row)]), f"a {model.__name__}")
    for session in Session.objects.all():
        search.look_in(str(session.get_decoded()), "a session")
    for store in ConfigStore.objects.all():
        search.look_in(repr(store.as_record()), "a record")
    for server in SipServer.objects.select_related("store"):
        search.look_in(repr(server.as_record()), "a record")
    for source in DirectorySource.objects.all():
        search.look_in(repr(source.as_record()), "a record")
    assert Credential.objects.count() > 50


def look_at_commands(search: Search, source: str, store: str, aor: str) -> None:
    for command in (
        ("sync_directory", source, "--json"),
        ("write_back", source, "--json"),
        ("push_servers", "--json"),
        ("observe_server", store, "--json"),
        ("explain", aor, "--json"),
    ):
        out, said = io.StringIO(), io.StringIO()
        try:
            call_command(*command, stdout=out, stderr=said)
        except (CommandError, SystemExit) as error:
            said.write(str(error))
        assert out.getvalue() or said.getvalue(), command
        search.look_in(out.getvalue() + said.getvalue(), " ".join(command))
