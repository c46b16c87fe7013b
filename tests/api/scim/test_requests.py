"""What every request keeps to: versions, sizes, pages, members, and what is never kept."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.models import ScimFeed, ScimMember, ScimResource
from provisioning.services.scim.scim_store import forget_deleted
from tests.api.scim.client import ENTERPRISE, ScimClient, scim_client, scim_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_an_edit_of_an_older_version_is_refused(scim: ScimClient) -> None:
    uid = scim.user("ann")
    tag = scim.get(f"/Users/{uid}").headers["ETag"]
    first = scim.patch(
        f"/Users/{uid}", {"op": "add", "path": "title", "value": "x"}, **{"If-Match": tag}
    )
    assert first.status == 200
    assert first.headers["ETag"] != tag
    for answer in (
        scim.patch(
            f"/Users/{uid}", {"op": "add", "path": "title", "value": "y"}, **{"If-Match": tag}
        ),
        scim.put(f"/Users/{uid}", {"userName": "bo"}, **{"If-Match": tag}),
        scim.delete(f"/Users/{uid}", **{"If-Match": tag}),
    ):
        assert answer.status == 412
    assert scim.get(f"/Users/{uid}").body["title"] == "x"
    assert scim.delete(f"/Users/{uid}", **{"If-Match": "*"}).status == 204


def test_what_is_known_is_not_sent_again(scim: ScimClient) -> None:
    uid = scim.user("ann")
    tag = scim.get(f"/Users/{uid}").headers["ETag"]
    answer = scim.send("GET", f"/Users/{uid}", headers={"If-None-Match": tag})
    assert (answer.status, answer.body) == (304, {})


def test_an_edit_that_changes_nothing_is_no_new_version_and_wakes_nobody(scim: ScimClient) -> None:
    uid, group = scim.user("ann", title="x"), scim.group("Team")
    before = ScimFeed.objects.get().version
    scim.patch(f"/Users/{uid}", {"op": "replace", "path": "title", "value": "x"})
    scim.put(f"/Users/{uid}", {"userName": "ann", "active": True, "title": "x"})
    scim.patch(f"/Groups/{group}", {"op": "remove", "path": "members", "value": [{"value": uid}]})
    assert ScimFeed.objects.get().version == before


def test_nothing_that_may_be_a_password_is_kept(scim: ScimClient) -> None:
    uid = scim.user(
        "ann", password="correct horse", userPassword="correct horse",
        **{ENTERPRISE: {"clientSecret": "correct horse", "department": "Sales"}},
    )  # fmt: skip
    scim.patch(f"/Users/{uid}", {"op": "add", "value": {"password": "correct horse"}})
    scim.patch(f"/Users/{uid}", {"op": "replace", "path": "password", "value": "correct horse"})
    kept = str(ScimResource.objects.values().get())
    assert "correct horse" not in kept
    assert "Sales" in kept


@pytest.mark.parametrize(
    ("content", "status", "scim_type"),
    [
        (b"{", 400, "invalidSyntax"),
        (b"[]", 400, "invalidSyntax"),
        (b'{"userName": "\\ud800"}', 400, "invalidSyntax"),
        (b'{"userName": "a\\u0000b"}', 400, "invalidValue"),
        (b'{"userName": "a", "title": "x\\u0000"}', 400, "invalidValue"),
        (b'{"userName": "a", "title": {"x": 1}}', 400, "invalidValue"),
        (b'{"userName": "a", "active": "maybe"}', 400, "invalidValue"),
        (b'{"userName": ["a"]}', 400, "invalidValue"),
        (b'{"userName": "' + b"a" * 256 + b'"}', 400, "invalidValue"),
        (b'{"displayName": "no name"}', 400, "invalidValue"),
        (b'{"userName": "a", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, None),
        (b'{"userName": "a", "x": ' + b'{"y":' * 20 + b"1" + b"}" * 20 + b"}", 400, "invalidValue"),
        (b'{"userName": "a", "x": "' + b"a" * 70_000 + b'"}', 400, "invalidValue"),
        (b'{"userName": "a", "x": "' + b"a" * 300_000 + b'"}', 413, ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    scim: ScimClient, content: bytes, status: int, scim_type: str | None
) -> None:
    answer = scim.send("POST", "/Users", content)
    assert answer.status == status, answer.body
    if scim_type is not None:
        assert answer.body.get("scimType", "") == scim_type
    assert not ScimResource.objects.exists()


def test_a_form_is_no_scim(scim: ScimClient) -> None:
    answer = scim.send("POST", "/Users", b"userName=a", content_type="text/plain")
    assert answer.status == 415


def test_other_methods_and_numbers_are_refused_as_scim_errors(scim: ScimClient) -> None:
    answer = scim.send("DELETE", "/Users")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert scim.get("/Users", startIndex="x").status == 400
    assert scim.get("/Users", startIndex="-5", count="-5").body["totalResults"] == 0


def test_pages_have_everybody_once_and_a_query_for_all_of_them(scim: ScimClient) -> None:
    names = [f"u{n:02d}" for n in range(25)]
    for name in names:
        scim.user(name)
    found: list[str] = []
    for start in (1, 11, 21):
        answer = scim.get("/Users", startIndex=start, count=10)
        assert answer.body["totalResults"] == 25
        found += [each["userName"] for each in answer.body["Resources"]]
    assert found == names
    with CaptureQueriesContext(connection) as few:
        scim.get("/Users", count=1)
    with CaptureQueriesContext(connection) as many:
        scim.get("/Users", count=25)
    assert len(few) == len(many) <= 3
    assert scim.get("/Users", count=0).body["Resources"] == []


def test_pages_of_groups_need_the_same_queries_for_one_and_for_many(scim: ScimClient) -> None:
    uid = scim.user("ann")
    for n in range(8):
        scim.group(f"g{n}", uid)
    with CaptureQueriesContext(connection) as few:
        scim.get("/Groups", count=1)
    with CaptureQueriesContext(connection) as many:
        assert all(each["members"] for each in scim.get("/Groups").body["Resources"])
    assert len(few) == len(many)


def test_a_page_of_large_groups_ends_sooner_and_the_next_goes_on(
    scim: ScimClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.services.scim.scim_find._MOST_MEMBERS", 5)
    uids = [scim.user(f"u{n}") for n in range(4)]
    for n in range(3):
        scim.group(f"g{n}", *uids)
    first = scim.get("/Groups").body
    assert (first["totalResults"], first["itemsPerPage"]) == (3, 1)
    assert scim.get("/Groups", startIndex=2).body["Resources"][0]["displayName"] == "g1"
    assert scim.get("/Groups", excludedAttributes="members").body["itemsPerPage"] == 3


def test_a_filter_that_looks_at_too_many_is_refused(
    scim: ScimClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.services.scim.scim_find._MOST_SCANNED", 3)
    for n in range(5):
        scim.user(f"u{n}", title="x")
    assert scim.get("/Users", filter='title eq "x"').body["scimType"] == "tooMany"
    exact = scim.get("/Users", filter='userName eq "U3" and title eq "x"').body
    assert exact["totalResults"] == 1


@pytest.mark.parametrize("text", ['id eq "{}"', 'externalId eq "e"', 'userName eq "ANN"'])
def test_indexed_filters_answer_by_the_database_alone(scim: ScimClient, text: str) -> None:
    uid = scim.user("ann", externalId="e")
    scim.user("bo", externalId="E")
    found = scim.get("/Users", filter=text.format(uid)).body
    assert [each["id"] for each in found["Resources"]] == [uid]


def test_attributes_are_chosen_and_left_out(scim: ScimClient) -> None:
    uid = scim.user("ann", title="x", emails=["a@b"], **{ENTERPRISE: {"department": "Sales"}})
    chosen = scim.get(f"/Users/{uid}", attributes="userName,emails.value").body
    assert chosen == {
        "schemas": chosen["schemas"], "id": uid, "userName": "ann", "emails": [{"value": "a@b"}],
    }  # fmt: skip
    left = scim.get(f"/Users/{uid}", excludedAttributes="id,title,meta.created").body
    assert left["id"] == uid
    assert "title" not in left
    assert "created" not in left["meta"]
    part = scim.get(f"/Users/{uid}", attributes=f"{ENTERPRISE}:department").body
    assert part[ENTERPRISE] == {"department": "Sales"}


def test_one_more_member_of_a_large_group_is_one_more_row(scim: ScimClient) -> None:
    ids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(5000)]
    group = scim.post(
        "/Groups", {"displayName": "All", "members": [{"value": each} for each in ids]}
    ).id
    with CaptureQueriesContext(connection) as queries:
        uid = "99999999-0000-4000-8000-000000000000"
        scim.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": uid}]})
    assert len(queries) <= 10
    assert sum(len(query["sql"]) for query in queries) < 6000
    assert ScimMember.objects.count() == 5001
    with CaptureQueriesContext(connection) as queries:
        scim.patch(
            f"/Groups/{group}",
            {"op": "remove", "path": "members", "value": [{"value": each} for each in ids[:3000]]},
        )
    assert len(queries) <= 15
    assert ScimMember.objects.count() == 2001
    everything = {"op": "remove", "path": "members"}
    scim.patch(f"/Groups/{group}", everything)
    assert not ScimMember.objects.exists()


def test_all_operations_of_a_patch_or_none_of_them(scim: ScimClient) -> None:
    uid, group = scim.user("ann"), scim.group("Team")
    answer = scim.patch(
        f"/Groups/{group}",
        {"op": "add", "path": "members", "value": [{"value": uid}]},
        {"op": "remove", "path": "displayName"},
    )
    assert answer.status == 400
    assert not ScimMember.objects.exists()


def test_a_name_that_is_taken_is_a_conflict_in_every_way(scim: ScimClient) -> None:
    scim.user("ann@example.com")
    uid = scim.user("bo@example.com")
    for answer in (
        scim.put(f"/Users/{uid}", {"userName": "Ann@example.com"}),
        scim.patch(
            f"/Users/{uid}", {"op": "replace", "path": "userName", "value": "ANN@example.com"}
        ),
    ):
        assert (answer.status, answer.body["scimType"]) == (409, "uniqueness")
    assert scim.get(f"/Users/{uid}").body["userName"] == "bo@example.com"
    other = scim_client(scim_source("Okta"))
    assert other.user("ann@example.com")


def test_another_source_s_resources_are_not_there(scim: ScimClient) -> None:
    other = scim_client(scim_source("Okta"))
    uid, group = other.user("ann"), other.group("Team")
    for path in (f"/Users/{uid}", f"/Groups/{group}", f"/Groups/{uid}"):
        assert scim.get(path).status == 404
        assert scim.put(path, {"userName": "x", "displayName": "x"}).status == 404
        assert scim.delete(path).status == 404
    assert scim.get("/Users").body["totalResults"] == 0


def test_what_was_deleted_is_forgotten_after_a_week_and_then_everything_is_read(
    scim: ScimClient,
) -> None:
    gone, there = scim.user("ann"), scim.user("bo")
    scim.delete(f"/Users/{gone}")
    forget_deleted()
    assert ScimResource.objects.count() == 2
    ScimResource.objects.filter(uid=gone).update(deleted_at=timezone.now() - timedelta(days=8))
    forget_deleted()
    assert list(ScimResource.objects.values_list("uid", flat=True)) == [there]
    assert ScimFeed.objects.get().forgotten_version == 3


def test_the_page_of_the_source_knows_the_last_write(scim: ScimClient) -> None:
    document: Any = json.dumps({"userName": "ann"}).encode()
    scim.send("POST", "/Users", document, headers={"User-Agent": "Okta SCIM Client 1.0.0"})
    feed = ScimFeed.objects.get()
    assert (feed.last_request, feed.last_client) == ("POST /Users", "Okta SCIM Client 1.0.0")
