"""Saved views: a filter kept under a name, shown as a tab to whoever saved it."""

from __future__ import annotations

import pytest
from django.test import Client

from provisioning.models import Account, SavedView
from tests.factories import make_account
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


def save(client: Client, query: str = "state=blocked&q=room", name: str = "Blocked rooms") -> str:
    response = client.post(f"/accounts/?{query}", {"name": name}, follow=True)
    assert response.status_code == 200
    return text_of(response)


def test_a_saved_view_is_a_tab_that_shows_the_filter_again(as_viewer: Client) -> None:
    make_account("Room 1", state="blocked", blocked=True)
    make_account("Room 2")
    assert "is saved" in save(as_viewer)
    page = as_viewer.get("/accounts/")
    assert 'href="?state=blocked&amp;q=room"' in page.content.decode()
    shown = as_viewer.get("/accounts/?state=blocked&q=room")
    assert "Room 1" in text_of(shown)
    assert "Room 2" not in text_of(shown)
    assert [tab["label"] for tab in shown.context["tabs"] if tab["active"]] == ["Blocked rooms"]


def test_nobody_else_sees_or_removes_it(as_viewer: Client, as_helpdesk: Client) -> None:
    save(as_viewer)
    view = SavedView.objects.get()
    assert "Blocked rooms" not in text_of(as_helpdesk.get("/accounts/"))
    assert as_helpdesk.post("/accounts/", {"remove": view.pk}).status_code == 404
    as_viewer.post("/accounts/", {"remove": view.pk})
    assert not SavedView.objects.exists()


def test_the_same_name_replaces_the_view(as_viewer: Client) -> None:
    save(as_viewer)
    save(as_viewer, "state=disabled")
    assert SavedView.objects.get().query == "state=disabled"


def test_the_page_of_the_list_is_no_part_of_a_view(as_viewer: Client) -> None:
    save(as_viewer, "state=blocked&q=&cursor=abc&sort=-name")
    assert SavedView.objects.get().query == "state=blocked&sort=-name"


@pytest.mark.parametrize("query", ["state=nonsense", "person__mail=x", "sort=secret"])
def test_what_the_list_refuses_is_not_saved(as_viewer: Client, query: str) -> None:
    assert as_viewer.post(f"/accounts/?{query}", {"name": "x"}).status_code == 400
    assert not SavedView.objects.exists()


def test_nothing_to_save_and_no_name_are_said(as_viewer: Client) -> None:
    assert "nothing to save" in save(as_viewer, "")
    assert "Give it a name" in save(as_viewer, name="x" * 41)
    assert not SavedView.objects.exists()


def test_there_is_an_end_to_views(as_viewer: Client) -> None:
    for number in range(SavedView.MOST):
        save(as_viewer, name=f"View {number}")
    assert "remove one first" in save(as_viewer, name="One more")
    assert SavedView.objects.count() == SavedView.MOST


def test_a_view_of_what_is_gone_can_still_be_removed(as_viewer: Client) -> None:
    account = make_account()
    save(as_viewer, f"pool={account.pool_id}")
    pool = account.pool
    Account.objects.all().delete()
    pool.delete()
    assert as_viewer.get(f"/accounts/?pool={account.pool_id}").status_code == 400
    as_viewer.post("/accounts/", {"remove": SavedView.objects.get().pk})
    assert not SavedView.objects.exists()


def test_the_tabs_follow_the_filter_that_htmx_asks_for(as_viewer: Client) -> None:
    page = as_viewer.get("/accounts/?state=blocked", headers={"HX-Request": "true"})
    assert 'id="views" hx-swap-oob="true"' in page.content.decode()
    assert [tab["label"] for tab in page.context["tabs"] if tab["active"]] == ["Blocked"]


def test_a_list_without_views_saves_none(as_viewer: Client) -> None:
    assert as_viewer.post("/numbers/?state=free", {"name": "x"}).status_code == 405
