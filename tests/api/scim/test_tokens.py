"""Who may write: a token of this source that works, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.errors import InvalidFields
from provisioning.models import AuditEvent, ScimResource, ScimToken, WrongSecrets
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console.guessing import forget_counts
from provisioning.services.scim.scim_tokens import create_token, revoke_token
from tests.api.scim.client import ScimClient, scim_client, scim_source
from tests.factories import make_source

pytestmark = pytest.mark.django_db

ADDRESSES = [
    ("GET", "/ServiceProviderConfig"), ("GET", "/Schemas"), ("GET", "/ResourceTypes"),
    ("GET", "/Users"), ("POST", "/Users"), ("GET", "/Users/x"), ("PUT", "/Users/x"),
    ("PATCH", "/Users/x"), ("DELETE", "/Users/x"), ("GET", "/Groups"), ("POST", "/Groups"),
    ("PATCH", "/Groups/x"), ("DELETE", "/Groups/x"), ("GET", "/Bulk"), ("POST", ""),
]  # fmt: skip


def wrong_tokens(scim: ScimClient) -> dict[str, str]:
    """A token for each reason to refuse it."""
    others = scim_client(scim_source("Okta"))
    old, gone = (
        create_token(source=scim.source, name=name, actor=COMMAND_LINE) for name in ("old", "gone")
    )
    ScimToken.objects.filter(pk=old.token.pk).update(expires_at=timezone.now())
    revoke_token(token=gone.token, actor=COMMAND_LINE)
    last = "A" if scim.token[-1] != "A" else "B"
    return {
        "none": "", "nonsense": "secret", "another source's": others.token,
        "expired": old.text, "revoked": gone.text, "wrong at its end": scim.token[:-1] + last,
        "its key alone": scim.token[:20],
    }  # fmt: skip


def test_every_address_refuses_every_wrong_token_in_the_same_words(scim: ScimClient) -> None:
    said = set()
    for reason, token in wrong_tokens(scim).items():
        for method, address in ADDRESSES:
            WrongSecrets.objects.all().delete()
            answer = ScimClient(scim.source, token).send(method, address, {"userName": "x"})
            assert answer.status == 401, f"{reason} {method} {address}"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            said.add(answer.body["detail"])
    assert len(said) == 1
    assert not ScimResource.objects.exists()


def test_a_session_of_an_administrator_opens_nothing(
    scim: ScimClient, as_administrator: Client
) -> None:
    address = f"/scim/v2/{scim.source.pk}/Users"
    assert as_administrator.get(address).status_code == 401
    assert as_administrator.post(address, {}).status_code == 401


def test_a_source_that_is_read_from_a_directory_has_no_client(scim: ScimClient) -> None:
    directory = make_source()
    with pytest.raises(InvalidFields):
        create_token(source=directory, name="x", actor=COMMAND_LINE)
    assert ScimClient(directory, scim.token).get("/Users").status == 401


def test_after_many_wrong_tokens_an_address_waits_and_the_right_one_still_works(
    scim: ScimClient,
) -> None:
    wrong = ScimClient(scim.source, "wrong")
    answers = [wrong.get("/Users") for _ in range(21)]
    assert {answer.status for answer in answers[:20]} == {401}
    assert answers[20].status == 429
    assert int(answers[20].headers["Retry-After"]) > 0
    assert scim.get("/Users").status == 200
    assert [wrong.get("/Users").status for _ in range(5)] == [429] * 5
    assert WrongSecrets.objects.get().count == 20, "who waits costs no write"


def test_the_count_is_shared_keeps_no_address_and_ends(scim: ScimClient) -> None:
    wrong = ScimClient(scim.source, "wrong")
    wrong.get("/Users")
    kept = WrongSecrets.objects.get()
    assert "127.0.0.1" not in kept.address
    WrongSecrets.objects.update(count=20)
    assert wrong.get("/Users").status == 429
    WrongSecrets.objects.update(until=timezone.now())
    assert wrong.get("/Users").status == 401
    assert WrongSecrets.objects.get().count == 1
    forget_counts()
    assert WrongSecrets.objects.exists()
    WrongSecrets.objects.update(until=timezone.now())
    forget_counts()
    assert not WrongSecrets.objects.exists()


def test_a_token_is_kept_as_a_keyed_hash_and_told_nowhere(scim: ScimClient) -> None:
    new = create_token(source=scim.source, name="Entra ID", actor=COMMAND_LINE)
    secret = new.text.rpartition("-")[2]
    kept = str(ScimToken.objects.filter(pk=new.token.pk).values().get())
    assert secret not in kept
    assert secret not in repr(new)
    events = AuditEvent.objects.filter(action__contains="SCIM token")
    assert "Entra ID" in str([event.detail for event in events])
    assert secret not in str([event.detail for event in events])


def test_each_use_is_noted_once_a_minute(scim: ScimClient) -> None:
    def used_at() -> datetime | None:
        return ScimToken.objects.get(source=scim.source).last_used_at

    assert used_at() is None
    scim.get("/Users")
    first = used_at()
    assert first is not None
    scim.get("/Users")
    assert used_at() == first
    ScimToken.objects.update(last_used_at=first - timedelta(minutes=2))
    scim.get("/Users")
    assert used_at() != first - timedelta(minutes=2)


def test_two_tokens_work_side_by_side_so_that_one_can_follow_the_other(scim: ScimClient) -> None:
    new = create_token(source=scim.source, name="next year", actor=COMMAND_LINE)
    assert scim.get("/Users").status == 200
    assert ScimClient(scim.source, new.text).get("/Users").status == 200
    revoke_token(token=ScimToken.objects.get(name="test"), actor=COMMAND_LINE)
    assert scim.get("/Users").status == 401
    assert ScimClient(scim.source, new.text).get("/Users").status == 200


@pytest.mark.parametrize(
    ("name", "days"), [("", 10), ("x" * 101, 10), ("a\nb", 10), ("x", 0), ("x", 5000)]
)
def test_a_token_needs_a_name_and_an_end(scim: ScimClient, name: str, days: int) -> None:
    with pytest.raises(InvalidFields):
        create_token(source=scim.source, name=name, actor=COMMAND_LINE, days=days)
