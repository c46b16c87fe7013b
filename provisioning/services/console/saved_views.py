"""Saved views: filters of lists that console users keep for themselves."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.models import ConsoleUser, SavedView


def find_views(*, user: ConsoleUser, list_name: str) -> list[SavedView]:
    """The views that `user` saved of one list, the oldest first."""
    return list(SavedView.objects.filter(user=user, list_name=list_name).order_by("pk"))


def save_view(*, user: ConsoleUser, list_name: str, name: str, query: str) -> SavedView:
    """Keep `query` (a query string that the list accepts) under `name`.

    A view of that name is replaced. Raises InvalidInput without a filter, or for one view too many;
    nothing was changed then.
    """
    if not query:
        raise InvalidInput("Nothing is filtered, so there is nothing to save. Filter first.")
    with transaction.atomic():
        # Two windows of one person save one after the other.
        ConsoleUser.objects.select_for_update().get(pk=user.pk)
        others = SavedView.objects.filter(user=user, list_name=list_name).exclude(name=name)
        if others.count() >= SavedView.MOST:
            raise InvalidInput(
                f"{SavedView.MOST} views are the most. Nothing was saved; remove one first."
            )
        view, _ = SavedView.objects.update_or_create(
            user=user, list_name=list_name, name=name, defaults={"query": query}
        )
    return view


def remove_view(*, view: SavedView) -> None:
    """Forget a view; no account is touched."""
    view.delete()
