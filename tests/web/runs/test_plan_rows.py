"""The rows of a plan: by name, by pages, filtered."""

from __future__ import annotations

import pytest
from django.test import Client

from provisioning.models import (
    Run,
)
from tests.factories import (
    make_group,
    make_person,
    make_rule,
    make_source,
)
from tests.web.runs.scene import HTMX, plan_row, rules_run

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_references_are_shown_by_name(as_viewer: Client) -> None:
    make_rule(name="All of them")
    make_person("Ann Lee", login="ann")
    page = as_viewer.get(f"/changes/{rules_run().pk}/").content.decode()
    assert "Frankfurt" in page
    assert "All of them" in page
    assert "search_key" not in page
    assert "name_key" not in page


def test_a_large_group_is_shown_by_counts_and_a_few_names(as_viewer: Client) -> None:
    source = make_source()
    people = [make_person(f"Person {number}", source=source) for number in range(5)]
    run = Run.objects.create(kind="sync", source=source, state="done")
    added = [[person.guid, True] for person in people]
    added += [[f"{number:036}", True] for number in range(20_000)]
    plan_row(
        run, 1, kind="group", key="g" * 36, subject="g" * 36, source_id=source.pk, name="Everybody",
        action="update",
        after={"added": added, "removed": [people[0].guid], "member_count": 20_005},
    )  # fmt: skip
    response = as_viewer.get(f"/changes/{run.pk}/")
    page = response.content.decode()
    assert "20,005 joining, 1 leaving" in page
    assert "20,005 people: Person 0, Person 1, Person 2 and others" in page
    assert len(response.content) < 60_000
    assert people[4].guid not in page


def test_a_long_plan_comes_in_pages(as_viewer: Client) -> None:
    run = Run.objects.create(kind="rules", state="done", counts={"account.create": 120})
    for ordinal in range(1, 121):
        plan_row(run, ordinal, after={"aor": f"u{ordinal}@example.com"})
    page = as_viewer.get(f"/changes/{run.pk}/")
    assert [row.change.ordinal for row in page.context["changes"]] == list(range(1, 51))
    cursor = page.context["page"].next
    following = as_viewer.get(f"/changes/{run.pk}/", {"cursor": cursor}, headers=HTMX)
    assert [row.change.ordinal for row in following.context["changes"]] == list(range(51, 101))
    assert "<html" not in following.content.decode()


def test_changes_are_filtered_by_action_status_and_kind(as_viewer: Client) -> None:
    run = Run.objects.create(kind="sync", source=make_source(), state="done")
    plan_row(run, 1, name="New one")
    plan_row(run, 2, name="Refreshed", kind="person", action="refresh")
    plan_row(run, 3, name="Gone", kind="person", action="leave")
    plan_row(run, 4, name="Clash", action="none", status="problem", message="It is taken.")

    def shown(query: str) -> set[str]:
        page = as_viewer.get(f"/changes/{run.pk}/?{query}", headers=HTMX)
        return {row.change.name for row in page.context["changes"]}

    assert shown("") == {"New one", "Gone", "Clash"}
    assert shown("show=create") == {"New one"}
    assert shown("show=leave") == {"Gone"}
    assert shown("show=problem") == {"Clash"}
    assert shown("kind=person") == {"Gone"}
    assert shown("q=new") == {"New one"}
    assert as_viewer.get(f"/changes/{run.pk}/?show=nonsense").status_code == 400


def test_names_from_the_directory_are_escaped(as_viewer: Client) -> None:
    run = Run.objects.create(kind="sync", source=make_source(), state="done")
    plan_row(run, 1, name="<b>Bold</b>", after={"name": "<script>alert(1)</script>"})
    page = as_viewer.get(f"/changes/{run.pk}/").content.decode()
    assert "<b>Bold</b>" not in page
    assert "<script>alert" not in page


def test_a_group_that_left_is_shown_as_leaving(as_viewer: Client) -> None:
    group = make_group("Old project")
    run = Run.objects.create(kind="sync", source=group.source, state="done")
    plan_row(run, 1, kind="group", key=group.guid, subject=group.guid, name=group.name,
             source_id=group.source_id, action="leave", before={"member_count": 3},
             after={"left": True, "removed": []})  # fmt: skip
    page = as_viewer.get(f"/changes/{run.pk}/").content.decode()
    assert "not found any more" in page
