"""Pools and stores: the list, forms with the connection test, Observe and Manage."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, Rollout, ServerPool
from provisioning.services.accounts.counts import with_account_counts
from provisioning.services.actor import Actor
from provisioning.services.push.dead_letters import dead_changes, retry_dead
from provisioning.services.push.waiting import waiting_at, with_waiting
from provisioning.services.servers.connection_test import probe_store
from provisioning.services.servers.pools import delete_pool, save_pool
from provisioning.services.servers.scope import describe, outside
from provisioning.services.servers.stores import (
    delete_store,
    save_store,
    set_store_mode,
    store_candidate,
)
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.places import PoolForm
from provisioning.web.forms.servers import StoreForm
from provisioning.web.ids import row_id
from provisioning.web.servers.server_setup import steps_at
from provisioning.web.servers.store_tabs import store_context

KINDS = {kind.value: kind.label[0].upper() + kind.label[1:] for kind in Kind}
# So many of the changes that were given up are listed.
SHOWN = 50
_CRUMB = "Pools & stores"


@needs(Capability.VIEW)
@require_safe
def pools(request: ConsoleRequest) -> HttpResponse:
    """Every pool with its stores and servers."""
    context = {
        "title": _CRUMB,
        "lead": "A pool is the home of accounts; a store is the database that its servers read.",
        "pools": _with_what_a_row_shows(ServerPool.objects.all()),
    }
    return render(request, "stores/pools.html", context)


@needs(Capability.VIEW)
@require_safe
def pool(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One pool with its stores and servers."""
    row = get_object_or_404(ServerPool, pk=pk)
    context = {
        "title": row.name,
        "lead": "The home of its accounts: SIP servers, and the stores that they read.",
        "crumbs": [(_CRUMB, reverse("pools")), (row.name, "")],
        "pools": _with_what_a_row_shows(ServerPool.objects.filter(pk=pk)),
    }
    return render(request, "stores/pools.html", context)


class PoolPage(EditPage[ServerPool]):
    """Add or rename a pool."""

    model = ServerPool
    form_class = PoolForm
    noun = "pool"
    list_name, list_label, delete_name = "pools", _CRUMB, "pool-delete"
    lead = "SIP servers that together are the home of accounts."

    def context(self, row: ServerPool | None, form: Any) -> dict[str, Any]:
        """A new one is the first step of a setup."""
        return {"setup": [] if row else steps_at("pool")}

    def save(self, form: PoolForm, actor: Actor) -> HttpResponse:
        """Keep it; a new one needs a store next."""
        added = form.instance.pk is None
        save_pool(pool=form.instance, actor=actor)
        if added:
            url = f"{reverse('store-new')}?pool={form.instance.pk}"
            return self.saved(f"{form.instance} was added.\nNext: its store.", url)
        return self.saved(f"{form.instance} was saved.")


@needs(Capability.VIEW)
@require_safe
def store(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One store: where it is, its mode, what waits for it."""
    row = get_object_or_404(with_waiting(ConfigStore.objects.select_related("pool")), pk=pk)
    context = store_context(row, "store") | {
        "crumbs": [(_CRUMB, reverse("pools")), (row.name, "")],
        "scope": describe(row),
        "outside": outside(store=row).count(),
        "place": _place_rows(row),
        "servers": row.servers.order_by("name"),
        "waiting": waiting_at([row]),
        "dead": row.dead_count,  # type: ignore[attr-defined]
        "refused": _refused(row),
        "owned": row.owned_rows.count(),
    }
    return render(request, "stores/store.html", context)


class StorePage(EditPage[ConfigStore]):
    """Add or change a store."""

    model = ConfigStore
    form_class = StoreForm
    template = "stores/edit.html"
    noun = "store"
    list_name, list_label, delete_name = "pools", _CRUMB, "store-delete"
    lead = "Test the connection before you save; nothing is kept or written by the test."

    def get(self, request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
        """A store belongs to a pool, so the pool comes first."""
        if pk is None and not ServerPool.objects.exists():
            messages.info(request, "First the pool.\nA store belongs to a pool of SIP servers.")
            return redirect("pool-new")
        return super().get(request, pk)

    def save(self, form: StoreForm, actor: Actor) -> HttpResponse:
        """Keep it; where the stored password had to go, ask for it anew."""
        row = form.instance
        added = row.pk is None
        if save_store(store=row, secret=form.new_secret, actor=actor):
            messages.warning(
                self.request,
                "The database password was erased.\nThe store is at another place now. Type the "
                "password again.",
            )
            return redirect("store-edit", row.pk)
        if added and not row.pool.servers.exists():
            text = f"{row} was added.\nThe console only reads it so far. Next: its SIP server."
            return self.saved(text, f"{reverse('server-new')}?store={row.pk}")
        if added:
            text = f"{row} was added.\nThis is what it holds. Next: its SIP servers."
            return self.saved(text, reverse("store-observe", args=[row.pk]))
        return self.saved(f"{row} was saved.", reverse("store", args=[row.pk]))

    def cancel(self, row: ConfigStore | None) -> str:
        """Back to the store, or to the list."""
        return reverse("store", args=[row.pk]) if row else reverse("pools")

    def context(self, row: ConfigStore | None, form: Any) -> dict[str, Any]:
        """Where the test is."""
        test = reverse("store-test", args=[row.pk]) if row else reverse("store-test-new")
        return {"test_href": test, "setup": [] if row else steps_at("store")}

    def initial(self, row: Any) -> dict[str, Any]:
        """The pool of the link, or the only one there is."""
        wanted = row_id(self.request.GET.get("pool", ""))
        if row is None and wanted is not None:
            return {"pool": wanted}
        found = list(ServerPool.objects.all()[:2])
        return {"pool": found[0].pk} if row is None and len(found) == 1 else {}


@needs(Capability.CONFIGURE)
@sensitive_post_parameters("secret")
@require_POST
def try_out(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """Try what the form says, step by step; nothing is kept."""
    form = StoreForm(request.POST, instance=None if pk is None else _find(pk))
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        try:
            context["steps"] = probe_store(
                record=store_candidate(store=form.instance, secret=form.new_secret)
            )
        except ProvisioningError as error:
            context["problem"] = error.message
    return render(request, "servers/_test.html", context)


@needs(Capability.CONFIGURE)
@require_POST
def set_mode(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Switch between Observe and Manage."""
    row = _find(pk)
    try:
        set_store_mode(store=row, mode=request.POST.get("mode", ""), actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
    else:
        said = {
            "manage": "is managed now.\nThe first push compares and writes what is missing.",
            "observe": "is only observed now.\nNothing more is written to it.",
        }
        messages.success(request, f"{row} {said[row.mode]}")
    return redirect("store", pk)


@needs(Capability.CONFIGURE)
@require_POST
def retry(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Try again what was given up."""
    try:
        count = retry_dead(store=_find(pk), actor=actor_of(request))
    except ProvisioningError as error:
        messages.error(request, f"Nothing was changed.\n{error.message}")
    else:
        what = "One change is" if count == 1 else f"{count:,} changes are"
        messages.success(request, f"{what} tried again.\nReload this page in a moment.")
    return redirect("store", pk)


def _refused(row: ConfigStore) -> list[dict[str, str]]:
    return [
        {"key": change.key, "label": KINDS.get(change.kind, change.kind), "problem": change.problem}
        for change in dead_changes(store=row)[:SHOWN]
    ]


def _find(pk: int) -> ConfigStore:
    return get_object_or_404(ConfigStore.objects.select_related("pool"), pk=pk)


def _with_what_a_row_shows(rows: QuerySet[ServerPool]) -> list[tuple[ServerPool, int]]:
    stores = Prefetch("stores", with_waiting(ConfigStore.objects.all()))
    under_way = Rollout.objects.exclude(state__in=(Rollout.State.DONE, Rollout.State.CANCELLED))
    rollouts = Prefetch("rollouts", under_way.order_by("pk"), to_attr="open_rollouts")
    shown = rows.prefetch_related("servers", stores, rollouts).order_by("name")
    return with_account_counts(shown, by="pool")


def _place_rows(row: ConfigStore) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"label": "Pool", "value": row.pool, "href": reverse("pool", args=[row.pool_id])},
        {"label": "Written for", "value": row.get_driver_display()},
        {"label": "Database", "value": row.get_dialect_display()},
    ]
    if row.dialect == ConfigStore.Dialect.SQLITE:
        return [*rows, {"label": "File", "value": row.database, "mono": True}, _digest(row)]
    return [
        *rows,
        {"label": "Host", "value": f"{row.host}:{row.port}", "mono": True},
        {"label": "Name", "value": row.database, "mono": True},
        {"label": "User", "value": row.user, "mono": True},
        {"label": "Password", "value": "kept" if row.sealed_secret else ""},
        {"label": "Encryption", "value": "TLS, certificate checked" if row.tls else "none"},
        {"label": "Servers", "value": "ask this console" if row.served else "read it themselves"},
        _digest(row),
    ]


def _digest(row: ConfigStore) -> dict[str, Any]:
    return {"label": "Digest algorithm", "value": row.get_algorithm_display()}


def _delete_pool(row: ServerPool, actor: Actor) -> None:
    delete_pool(pool=row, actor=actor)


def _delete_store(row: ConfigStore, actor: Actor) -> None:
    delete_store(store=row, actor=actor)


pool_delete = delete_view(ServerPool, _delete_pool, "pools", "pool")
store_delete = delete_view(ConfigStore, _delete_store, "pools", "store")
