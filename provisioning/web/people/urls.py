"""Addresses of people, groups, joined entries and conflicts."""

from django.urls import URLPattern, path

from provisioning.web.people import conflicts, groups, joins, people, rehires

urlpatterns: list[URLPattern] = [
    # Changes
    path("changes/conflicts/", conflicts.conflicts, name="changes-conflicts"),
    path("changes/rehires/", rehires.rehires, name="changes-rehires"),
    path("changes/rehires/<int:rehire>/", rehires.decide, name="changes-rehire"),
    path("changes/<int:pk>/join/", joins.run_join, name="run-join"),
    # Groups
    path("groups/", groups.Groups.as_view(), name="groups"),
    path("groups/<int:pk>/", groups.group, name="group"),
    # People
    path("people/", people.People.as_view(), name="people"),
    path("people/<int:pk>/", people.overview, name="person"),
    path("people/<int:pk>/groups/", people.groups, name="person-groups"),
    path("people/<int:pk>/join/", joins.person_join, name="person-join"),
    path("people/<int:pk>/separate/", joins.person_separate, name="person-separate"),
    path("people/<int:pk>/photo/", people.photo, name="person-photo"),
    path("people/<int:pk>/why/", people.why, name="person-why"),
    path("people/<int:pk>/history/", people.history, name="person-history"),
    # Sources & sync
    path("sources/joins/", joins.source_joins, name="source-joins"),
    path("sources/joins/find/", joins.source_joins_find, name="source-joins-find"),
    path("sources/joins/save/", joins.source_joins_save, name="source-joins-save"),
    path("sources/joins/<int:pk>/order/", joins.source_joins_order, name="source-joins-order"),
]
