"""Client documents: which values they get, who may have them, and the ZIP of many."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import Algorithm, ha1
from provisioning.models import (
    Account,
    AuditEvent,
    ClientProfile,
    ConfigStore,
    ConsoleUser,
    SipServer,
)
from provisioning.profiles.registry import RENDERERS
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.clients import documents, export
from tests.factories import make_account, make_pool, make_rule, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


@pytest.fixture(autouse=True)
def profile(db: None) -> ClientProfile:
    """A default profile, and a server with TLS and UDP in the pool of the factories."""
    store = make_store()
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=store, sip_host="sip1.example.com", tls_port=5061,
        udp_port=5060, rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    return ClientProfile.objects.create(name="Everybody", is_default=True)


class Unseekable(io.RawIOBase):
    """A stream as a socket is: it remembers the largest piece that it was given."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.largest = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self.content += piece
        self.largest = max(self.largest, len(piece))
        return len(piece)


def archive_of(
    actor: Actor, *, format: str = "rtc", with_secret: bool = False
) -> tuple[zipfile.ZipFile, list[dict[str, str]]]:
    out = Unseekable()
    export.export_accounts(
        accounts=Account.objects.all(),
        format=format,
        with_secret=with_secret,
        actor=actor,
        out=out,
    )
    archive = zipfile.ZipFile(io.BytesIO(out.content))
    assert archive.testzip() is None
    index = csv.DictReader(io.StringIO(archive.read("index.csv").decode("utf-8-sig")))
    return archive, list(index)


def secret_of(account: Account) -> str:
    return account.credential.secret() or "none"


def digest_of(account: Account, algorithm: Algorithm = "MD5") -> bytes:
    user, realm = account.credential.auth_user, account.domain.realm
    return ha1(user, realm, secret_of(account), algorithm).encode()


def test_the_safest_listener_comes_first() -> None:
    settings = documents.profile_settings(account=make_account())
    assert [listener.transport for listener in settings.listeners] == ["tls", "udp"]


def test_an_accounts_own_profile_beats_its_rules_and_the_default() -> None:
    rules = ClientProfile.objects.create(name="By rule")
    own = ClientProfile.objects.create(name="Own")
    account = make_account(rule=make_rule(profile=rules))
    assert documents.profile_settings(account=account).name == "By rule"
    account.profile = own
    assert documents.profile_settings(account=account).name == "Own"


def test_without_any_profile_the_message_says_what_to_do(profile: ClientProfile) -> None:
    profile.delete()
    with pytest.raises(InvalidInput, match="Make one the default"):
        documents.profile_settings(account=make_account())


def test_without_an_enabled_server_the_message_names_the_pool() -> None:
    SipServer.objects.update(enabled=False)
    with pytest.raises(InvalidInput, match="“Frankfurt” has no enabled SIP server"):
        documents.profile_settings(account=make_account())


def test_a_document_with_a_secret_needs_the_permission_whatever_the_role(
    administrator: ConsoleUser,
) -> None:
    administrator.may_export_secrets = False
    with pytest.raises(InvalidInput, match="may not export"):
        export.render_account(
            account=make_account(),
            format="linphone",
            with_secret=True,
            actor=Actor.of(administrator),
        )
    assert not AuditEvent.objects.exists()


def test_a_document_without_a_secret_needs_no_permission(helpdesk: ConsoleUser) -> None:
    account = make_account()
    files = export.render_account(
        account=account, format="rtc", with_secret=False, actor=Actor.of(helpdesk)
    )
    assert b"password" not in files[0].content
    assert secret_of(account).encode() not in files[0].content


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_digest_is_that_of_the_stores_algorithm(actor: Actor, algorithm: Algorithm) -> None:
    ConfigStore.objects.update(algorithm=algorithm)
    account = make_account()
    files = export.render_account(account=account, format="linphone", with_secret=True, actor=actor)
    assert digest_of(account, algorithm) in files[0].content


def test_an_export_is_audited_without_its_content(actor: Actor) -> None:
    account = make_account()
    export.render_account(account=account, format="linphone", with_secret=True, actor=actor)
    event = AuditEvent.objects.latest("id")
    assert event.object_id == str(account.pk)
    assert event.detail == {"format": "linphone", "with secret": True}


@pytest.mark.parametrize("state", ["blocked", "disabled", "grace", "prepared", "removed", "held"])
def test_only_active_accounts_get_documents(actor: Actor, state: str) -> None:
    with pytest.raises(InvalidInput, match="only active accounts"):
        export.render_account(
            account=make_account(state=state), format="rtc", with_secret=False, actor=actor
        )


@pytest.mark.parametrize("format", list(RENDERERS))
def test_a_preview_shows_everything_but_the_secret(format: str) -> None:
    account = make_account()
    files = documents.preview(account=account, renderer=RENDERERS[format])
    content = b"".join(file.content for file in files)
    assert documents.MASK.encode() in content
    assert secret_of(account).encode() not in content
    assert digest_of(account) not in content


def test_a_zip_holds_a_file_per_account_and_an_index(actor: Actor) -> None:
    accounts = [make_account(f"Room {number}") for number in range(3)]
    archive, index = archive_of(actor)
    assert len(archive.namelist()) == 4
    assert [row["SIP URI"] for row in index] == [account.aor for account in accounts]
    assert all(row["file"] in archive.namelist() for row in index)


def test_names_in_a_zip_hold_nothing_that_a_file_system_reads(actor: Actor) -> None:
    make_account('../../etc/passwd\\..\\"<>|', user_part="a*b")
    make_account("CON", user_part="a~b")
    archive, index = archive_of(actor)
    assert [row["problem"] for row in index] == ["", ""]
    names = [name for name in archive.namelist() if name != "index.csv"]
    assert len(set(names)) == 2
    for name in names:
        assert not set(name) & set('/\\:*?"<>|~')


def test_one_bad_account_is_a_line_in_the_index_and_the_rest_goes_on(actor: Actor) -> None:
    make_account("Good")
    bad = make_account("Bad")
    Account.objects.filter(pk=bad.pk).update(name="Bad\naccount.1.password=x")
    make_account("Blocked", state="blocked")
    archive, index = archive_of(actor)
    assert len(archive.namelist()) == 2
    assert [bool(row["problem"]) for row in index] == [False, True, True]
    assert "line break" in index[1]["problem"]


def test_a_name_in_the_index_is_no_formula(actor: Actor) -> None:
    make_account('=HYPERLINK("http://evil.example")')
    _, index = archive_of(actor)
    assert index[0]["name"].startswith("'=")


def test_a_zip_with_secrets_needs_the_permission_before_the_first_byte(
    helpdesk: ConsoleUser,
) -> None:
    make_account()
    with pytest.raises(InvalidInput, match="may not export"):
        export.stream_accounts(
            accounts=Account.objects.all(),
            format="linphone",
            with_secret=True,
            actor=Actor.of(helpdesk),
        )


def test_a_format_that_needs_the_secret_is_not_exported_without(actor: Actor) -> None:
    make_account()
    with pytest.raises(InvalidInput, match="of no use"):
        archive_of(actor, format="baresip")


def test_whoever_runs_commands_on_the_machine_may_export() -> None:
    make_account()
    archive, _ = archive_of(COMMAND_LINE, format="baresip", with_secret=True)
    assert {name.rpartition("/")[2] for name in archive.namelist()} >= {"accounts", "config"}


def test_a_zip_is_made_in_pieces_with_a_query_per_batch(
    actor: Actor, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: object
) -> None:
    monkeypatch.setattr(export, "BATCH", 10)
    monkeypatch.setattr(export, "_PIECE", 4096)
    for number in range(30):
        make_account(f"Room {number}")
    out = Unseekable()
    # Count, audit, three batches, each with its domains and pools, and an empty one; servers,
    # default profile.
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        export.export_accounts(
            accounts=Account.objects.all(),
            format="linphone",
            with_secret=True,
            actor=actor,
            out=out,
        )
    assert out.largest < 8192 < len(out.content)
