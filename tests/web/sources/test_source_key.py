"""The page on which a source gets another key attribute."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.models import DirectorySource, Run
from tests.factories import make_source
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> DirectorySource:
    """A source that is read by entryUUID."""
    return make_source(name="Head office")


def test_a_stranger_and_a_viewer_do_not_reach_it(
    client: Client, as_viewer: Client, source: DirectorySource
) -> None:
    address = reverse("source-key", args=[source.pk])
    assert as_viewer.get(address).status_code == 403
    assert as_viewer.post(address, {"key_attribute": "nsUniqueId"}).status_code == 403
    client.logout()
    assert "sign-in" in client.get(address)["Location"]
    assert not Run.objects.exists()


def test_it_offers_the_other_attributes_and_previews_first(
    as_administrator: Client, source: DirectorySource
) -> None:
    address = reverse("source-key", args=[source.pk])
    page = as_administrator.get(address).content.decode()
    assert 'value="nsUniqueId"' in page
    assert 'value="entryUUID"' not in page
    as_administrator.post(address, {"key_attribute": "nsUniqueId", "dry": "1"})
    run = Run.objects.get()
    assert (run.kind, run.dry, run.question) == (
        Run.Kind.REKEY, True, {"key_attribute": "nsUniqueId"},
    )  # fmt: skip
    Run.objects.update(state=Run.State.PREVIEW, counts={"person.rekey": 3})
    shown = text_of(as_administrator.get(reverse("run", args=[run.pk])))
    assert "Use nsUniqueId" in shown
    assert "3 with another key" in shown
    as_administrator.post(address, {"key_attribute": "nsUniqueId"})
    assert Run.objects.filter(dry=False, kind=Run.Kind.REKEY).exists()


def test_an_attribute_that_is_none_is_refused(
    as_administrator: Client, source: DirectorySource
) -> None:
    address = reverse("source-key", args=[source.pk])
    answer = as_administrator.post(address, {"key_attribute": "uid", "dry": "1"})
    assert answer.status_code == 422
    assert not Run.objects.exists()
    assert queries_of(as_administrator, address) <= 10
