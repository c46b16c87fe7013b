"""Write-back on the pages of a source: its form, its test, first values, two administrators."""

from __future__ import annotations

import pytest
from django.test import Client

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, ROOT_DN
from provisioning.core.roles import Role
from provisioning.models import ConsoleUser, Run, WriteBack, WrittenAttribute
from provisioning.services.actor import Actor
from tests.conftest import PASSWORD
from tests.factories import make_account, make_person
from tests.services.company import memory_source
from tests.services.writing import Writing
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(slapd: Slapd) -> Writing:
    return Writing(slapd, saved_source(slapd, name="Head office"), (ROOT_DN, slapd.root_password))


def typed(**values: str) -> dict[str, str]:
    """What a browser sends for one attribute."""
    return {
        "enabled": "on", "bind_dn": "", "secret": "", "elsewhere_expression": "",
        "attribute-0": "preferredLanguage", "expression-0": "number", **values,
    }  # fmt: skip


def second(name: str = "second") -> ConsoleUser:
    return ConsoleUser.objects.create_user(name, PASSWORD, role=Role.ADMINISTRATOR)


def test_it_is_off_until_somebody_turns_it_on(as_administrator: Client) -> None:
    source = memory_source()
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "Nothing is written to this directory." in page
    assert "Write now" not in page
    as_administrator.post(f"/sources/{source.pk}/write-back/run/")
    assert not Run.objects.exists()


def test_the_form_keeps_everything_and_shows_no_secret(
    as_administrator: Client, site: Writing
) -> None:
    address = f"/sources/{site.source.pk}/write-back/"
    sent = typed(bind_dn=ROOT_DN, secret=site.writer[1], elsewhere_expression="pager")
    assert as_administrator.post(address, sent).status_code == 302
    kept = WriteBack.objects.get()
    assert (kept.enabled, kept.bind_dn, kept.secret()) == (True, ROOT_DN, site.writer[1])
    site.source.refresh_from_db()
    assert site.source.elsewhere_expression == "pager"
    page = as_administrator.get(address).content.decode()
    assert 'value="preferredLanguage"' in page
    assert "A password is kept" in page
    assert site.writer[1] not in page
    assert as_administrator.post(address, typed(bind_dn=ROOT_DN)).status_code == 302
    assert WriteBack.objects.get().secret() == site.writer[1]
    response = as_administrator.post(address, typed(bind_dn=BIND_DN))
    assert response.status_code == 422
    assert "Enter the password of the account that writes." in response.content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"attribute-0": "uid"}, "uid is never written"),
        ({"attribute-0": "departmentNumber", "expression-0": "phone"}, "no value “phone”"),
        ({"attribute-0": "l"}, "reads l for “office”"),
        ({"attribute-1": "PREFERREDLANGUAGE", "expression-1": "aor"}, "is named twice"),
        ({"attribute-0": ""}, "Name the attribute that gets this value"),
        ({"expression-0": ""}, "One of aor, user_part"),
        ({"elsewhere_expression": "userPassword"}, "passwords or keys"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    as_administrator: Client, values: dict[str, str], said: str
) -> None:
    source = memory_source(mapping={"login": "uid", "office": "l"})
    response = as_administrator.post(f"/sources/{source.pk}/write-back/", typed(**values))
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not WrittenAttribute.objects.exists()


def test_the_test_tells_who_may_write_and_keeps_nothing(
    as_administrator: Client, site: Writing, slapd: Slapd
) -> None:
    address = f"/sources/{site.source.pk}/write-back/test/"
    sent = typed(bind_dn=ROOT_DN, secret=site.writer[1])
    page = as_administrator.post(address, sent).content.decode()
    assert "All of it may be written" in page
    sent = typed(bind_dn=BIND_DN, secret=slapd.bind_password)
    page = as_administrator.post(address, sent).content.decode()
    assert "preferredLanguage may not be written" in page
    sent = typed(**{"attribute-0": "description"})
    page = as_administrator.post(address, sent).content.decode()
    assert "may have several values" in page
    assert not WriteBack.objects.exists()


def test_the_first_values_are_shown_and_then_written(
    as_administrator: Client, site: Writing
) -> None:
    site.set(preferredLanguage="number")
    page = as_administrator.post(f"/sources/{site.source.pk}/write-back/values/").content.decode()
    assert "preferredLanguage" in page
    assert "+49301234" in page
    shown = site.run(dry=True)
    row = shown.changes.earliest("ordinal")
    page = as_administrator.get(f"/changes/{shown.pk}/").content.decode()
    assert row.name in page
    assert row.after["preferredLanguage"] in page
    response = as_administrator.post(f"/sources/{site.source.pk}/write-back/run/")
    run = Run.objects.latest("pk")
    assert response["Location"] == f"/changes/{run.pk}/"
    assert (run.kind, run.dry) == (Run.Kind.WRITE_BACK, False)


def test_a_source_that_cannot_be_asked_says_why(as_administrator: Client) -> None:
    source = memory_source(uris="ldaps://127.0.0.1:1")
    make_account(person=make_person(source=source))
    as_administrator.post(f"/sources/{source.pk}/write-back/", typed())
    page = as_administrator.post(f"/sources/{source.pk}/write-back/values/").content.decode()
    assert "The values could not be compared." in page


def test_somebody_else_than_the_author_approves_what_others_live_on(
    as_administrator: Client, administrator: ConsoleUser
) -> None:
    source = memory_source()
    sent = typed(**{"attribute-0": "msRTCSIP-Line", "expression-0": "'tel:{number}'"})
    as_administrator.post(f"/sources/{source.pk}/write-back/", sent)
    attribute = WrittenAttribute.objects.get()
    assert attribute.author == administrator
    address = f"/sources/{source.pk}/write-back/{attribute.pk}/approve/"
    page = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert "Not written yet" in page
    assert address not in page
    seen = {"expression": attribute.expression}
    as_administrator.post(address, seen)
    attribute.refresh_from_db()
    assert attribute.approved_at is None
    other = Client()
    other.force_login(second(), backend="django.contrib.auth.backends.ModelBackend")
    assert address in other.get(f"/sources/{source.pk}/").content.decode()
    other.post(address, {"expression": "what it was before"})
    attribute.refresh_from_db()
    assert attribute.approved_at is None
    other.post(address, seen)
    attribute.refresh_from_db()
    assert attribute.approved_by is not None
    assert attribute.approved_by.username == "second"


def test_the_page_of_a_number_says_where_it_is_used(
    as_administrator: Client, site: Writing
) -> None:
    site.source.elsewhere_expression = "pager"
    site.source.save()
    person = site.source.people.earliest("pk")
    site.put(person.login, "pager", "+493012340990")
    site.sync()
    page = as_administrator.get("/numbers/?state=used+elsewhere").content.decode()
    assert "+493012340990" in page
    assert str(person) in page
    assert "Head office" in page


def test_a_help_desk_may_look_and_write_but_not_set_or_approve(
    as_helpdesk: Client, as_viewer: Client, site: Writing
) -> None:
    site.set(actor=Actor.of(second()), preferredLanguage="number")
    page = as_helpdesk.get(f"/sources/{site.source.pk}/").content.decode()
    assert "Write now" in page
    assert as_helpdesk.get(f"/sources/{site.source.pk}/write-back/").status_code == 403
    assert "Write now" not in as_viewer.get(f"/sources/{site.source.pk}/").content.decode()
