"""Sources & sync: the list, the form with its tests, the page of a source."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from lab.slapd import Slapd
from provisioning.models import ConsoleUser, DirectorySource, RoleGroup, Run
from provisioning.services.console.schedules import keep_schedule
from provisioning.services.runs.runs import execute_run
from provisioning.web.forms.sources import new_source
from tests.factories import make_group, make_person, make_source
from tests.sources import saved_source, slapd_source, source_form

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def whole(response: Any) -> str:
    """An answer that comes step by step, to its end."""
    return b"".join(response.streaming_content).decode()


@pytest.mark.parametrize("page", ["/sources/", "/sources/new/", "/sources/1/", "/sources/1/edit/"])
def test_nobody_sees_sources_without_signing_in(client: Client, page: str) -> None:
    assert client.get(page).status_code == 302


@pytest.mark.parametrize(
    "page",
    ["new/", "{pk}/edit/", "test/", "sample/", "{pk}/test/", "{pk}/sample/", "{pk}/switch/",
     "{pk}/delete/", "{pk}/roles/", "look/", "guess/", "filter/", "attributes/", "{pk}/look/",
     "{pk}/guess/", "{pk}/filter/", "{pk}/attributes/"],
)  # fmt: skip
def test_the_help_desk_changes_no_source(as_helpdesk: Client, page: str) -> None:
    source = make_source()
    response = as_helpdesk.post(f"/sources/{page.format(pk=source.pk)}")
    assert response.status_code == 403
    assert DirectorySource.objects.exists()


def test_a_viewer_looks_and_starts_nothing(as_viewer: Client) -> None:
    source = make_source()
    assert "Sync now" not in as_viewer.get(f"/sources/{source.pk}/").content.decode()
    assert as_viewer.post(f"/sources/{source.pk}/sync/").status_code == 403
    assert not Run.objects.exists()


def test_the_list_shows_how_each_source_is(as_viewer: Client) -> None:
    source = make_source(name="North", groups_stale_since=timezone.now())
    keep_schedule(source)
    make_person("Ann Lee", source=source, problem="It is taken.")
    make_person("Bo Ek", source=source, left_at=timezone.now())
    run = Run.objects.create(kind="sync", source=source, state="waiting")
    page = as_viewer.get("/sources/").content.decode()
    assert "1 conflict" in page
    assert "Groups out of date" in page
    assert f'href="/changes/{run.pk}/"' in page
    assert '<td class="rt-end">1</td>' in page


def test_the_list_needs_the_same_queries_for_one_source_and_for_many(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        make_person(source=make_source())
    with django_assert_max_num_queries(9):
        as_viewer.get("/sources/")


def test_a_new_source_starts_with_what_is_usual_for_its_kind(as_administrator: Client) -> None:
    page = as_administrator.get("/sources/new/?kind=openldap").content.decode()
    assert "(objectClass=inetOrgPerson)" in page
    assert "entryUUID" in page
    assert "first(displayName, cn)" in page
    assert as_administrator.get("/sources/new/?kind=novell").status_code == 400


def test_a_source_is_added_with_its_schedule(as_administrator: Client, slapd: Slapd) -> None:
    sent = source_form(slapd_source(slapd), secret=slapd.bind_password, interval_seconds="300")
    response = as_administrator.post("/sources/new/", sent, follow=True)
    source = DirectorySource.objects.get()
    assert response.redirect_chain[-1][0] == f"/sources/{source.pk}/"
    assert source.bind_secret() == slapd.bind_password
    assert source.mapping["display_name"] == "first(displayName, cn)"
    task = PeriodicTask.objects.get(name=f"sync source {source.pk}")
    assert task.interval is not None
    assert task.interval.every == 300


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("person_filter", "(objectClass=person", "every bracket needs its partner"),
        ("mapping-mail", "first(mail", "closing bracket"),
        ("person_bases", "people", "is not a DN"),
        ("uris", "ldaps://169.254.169.254", "metadata"),
        ("secret", "", "This field is required"),
        ("name", "", "This field is required"),
        ("limit_percent", "120", "less than or equal to 100"),
    ],
)
def test_a_bad_value_is_refused_at_its_field_and_nothing_is_kept(
    as_administrator: Client, field: str, value: str, said: str
) -> None:
    source = new_source("openldap")
    source.name, source.uris = "North", "ldaps://127.0.0.1:636"
    source.bind_dn, source.person_bases = "cn=reader,dc=example", "dc=example"
    sent = source_form(source, secret="a good password") | {field: value}
    response = as_administrator.post("/sources/new/", sent)
    assert response.status_code == 422
    assert said in str(response.context["form"][field].errors)
    assert "a good password" not in response.content.decode()
    assert not DirectorySource.objects.exists()


def test_moving_a_source_erases_its_password_and_says_so(
    as_administrator: Client, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    sent = source_form(source, uris=f"{slapd.tls_uri}\r\nldaps://127.0.0.1:1")
    response = as_administrator.post(f"/sources/{source.pk}/edit/", sent, follow=True)
    assert "saved without a password" in response.content.decode()
    assert DirectorySource.objects.get().sealed_bind_secret is None


def test_the_form_never_shows_the_password(as_administrator: Client, slapd: Slapd) -> None:
    source = saved_source(slapd)
    page = as_administrator.get(f"/sources/{source.pk}/edit/").content.decode()
    assert "A password is kept" in page
    assert slapd.bind_password not in page


def test_the_connection_is_tested_from_the_form_without_keeping_it(
    as_administrator: Client, slapd: Slapd
) -> None:
    sent = source_form(slapd_source(slapd), secret=slapd.bind_password)
    page = whole(as_administrator.post("/sources/test/", sent))
    assert "60 match the filter" in page
    assert "Failed:" not in page
    assert not DirectorySource.objects.exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"secret": "wrong"}, "bind DN or its password is wrong"),
        ({"uris": "ldaps://127.0.0.1:1"}, "nobody listens there"),
        ({"ca_pem": ""}, "not trusted"),
        ({"person_bases": "ou=nowhere,dc=corp,dc=example"}, "does not exist"),
        ({"person_filter": "(uid=nobody-at-all)"}, "Nobody matches the filter"),
        ({"uris": ""}, "has no address"),
    ],
)
def test_what_is_wrong_is_said_at_the_step_that_fails(
    as_administrator: Client, slapd: Slapd, values: dict[str, str], said: str
) -> None:
    sent = {**source_form(slapd_source(slapd), secret=slapd.bind_password), **values}
    page = whole(as_administrator.post("/sources/test/", sent))
    assert said in page
    assert "Failed:" in page
    assert slapd.bind_password not in page


def test_a_saved_source_is_tested_with_its_own_password(
    as_administrator: Client, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    page = whole(as_administrator.post(f"/sources/{source.pk}/test/", source_form(source)))
    assert "Failed:" not in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"bind_dn": "cn=nobody,dc=corp,dc=example"}, "password is wrong"),
        ({"uris": "ldaps://127.0.0.1:1"}, "cannot be reached"),
        ({"ca_pem": ""}, "not trusted"),
        ({"person_bases": "ou=nowhere,dc=corp,dc=example"}, "does not exist"),
        ({"person_filter": "(uid=nobody-at-all)"}, "with 0 people"),
    ],
)
def test_a_sync_that_fails_says_why_where_the_administrator_looks(
    as_administrator: Client, slapd: Slapd, values: dict[str, str], said: str
) -> None:
    source = saved_source(slapd)
    DirectorySource.objects.update(**values)
    response = as_administrator.post(f"/sources/{source.pk}/sync/")
    run = Run.objects.get()
    assert response["Location"] == f"/changes/{run.pk}/"
    execute_run(run_id=run.pk)
    for page in (f"/changes/{run.pk}/", f"/sources/{source.pk}/"):
        shown = as_administrator.get(page).content.decode()
        assert said in shown
        assert "before anything was changed" in shown


def test_a_preview_reads_and_changes_nothing(as_helpdesk: Client, slapd: Slapd) -> None:
    source = saved_source(slapd)
    as_helpdesk.post(f"/sources/{source.pk}/sync/", {"dry": "1"})
    run = execute_run(run_id=Run.objects.get().pk)
    page = as_helpdesk.get(f"/changes/{run.pk}/").content.decode()
    assert "A preview:" in page
    assert "60 people" in page
    assert not source.people.exists()


def test_the_page_of_a_source_shows_settings_runs_and_conflicts(as_viewer: Client) -> None:
    source = make_source(name="North", bind_dn="cn=reader,dc=example")
    make_person("Ann Lee", source=source, problem="“n/a” is not a telephone number.")
    Run.objects.create(kind="sync", source=source, state="done", counts={"person.update": 3})
    page = as_viewer.get(f"/sources/{source.pk}/").content.decode()
    for text in ("cn=reader,dc=example", "3 changed", "Ann Lee", "Correct the number"):
        assert text in page


def test_a_source_is_switched_off_and_on(as_administrator: Client) -> None:
    source = make_source()
    page = as_administrator.post(f"/sources/{source.pk}/switch/", {"enabled": "0"}, follow=True)
    assert "only when somebody asks" in page.content.decode()
    assert not PeriodicTask.objects.get(name=f"sync source {source.pk}").enabled
    as_administrator.post(f"/sources/{source.pk}/switch/", {"enabled": "1"})
    assert PeriodicTask.objects.get(name=f"sync source {source.pk}").enabled


def test_a_source_with_people_is_not_deleted(as_administrator: Client) -> None:
    source = make_source()
    make_person(source=source)
    page = as_administrator.post(f"/sources/{source.pk}/delete/", follow=True)
    assert "still used by 1 person" in page.content.decode()
    empty = make_source()
    as_administrator.post(f"/sources/{empty.pk}/delete/")
    assert list(DirectorySource.objects.all()) == [source]


def test_groups_are_found_by_every_word_and_the_chosen_one_stays(as_viewer: Client) -> None:
    source = make_source()
    first = make_group("Telephony Admins", source=source)
    make_group("Telephony Users", source=source)
    make_group("Telephony Admins elsewhere")
    query = {"group_q": "admins tele", "source": str(source.pk)}
    page = as_viewer.get("/sources/groups/", query, headers=HTMX).content.decode()
    assert page.count('type="radio"') == 1
    other = {"group_q": "users", "source": str(source.pk), "group": str(first.pk)}
    page = as_viewer.get("/sources/groups/", other, headers=HTMX).content.decode()
    assert page.count('type="radio"') == 2
    assert page.count("checked") == 1


def test_a_group_gets_a_role_and_loses_it(as_administrator: Client) -> None:
    group = make_group("Telephony")
    url = f"/sources/{group.source_id}/roles/"
    page = as_administrator.post(url, {"group": group.pk, "role": "helpdesk"}, follow=True)
    assert "Members of Telephony sign in as helpdesk" in page.content.decode()
    again = as_administrator.post(url, {"group": group.pk, "role": "viewer"})
    assert again.status_code == 422
    assert "has a role already" in again.content.decode()
    nothing = as_administrator.post(url, {"role": "viewer"})
    assert "Look for a group and choose it." in nothing.content.decode()
    row = RoleGroup.objects.get()
    as_administrator.post(f"{url}{row.pk}/remove/")
    assert not RoleGroup.objects.exists()


def test_a_group_of_another_source_is_not_found(as_administrator: Client) -> None:
    source, group = make_source(), make_group()
    response = as_administrator.post(
        f"/sources/{source.pk}/roles/", {"group": group.pk, "role": "viewer"}
    )
    assert response.status_code == 404
    assert not ConsoleUser.objects.filter(source=source).exists()
