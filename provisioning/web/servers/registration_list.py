"""The list of live registrations at all servers: search, filters, export, ending some."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.spreadsheet import safe_cell
from provisioning.models import (
    ConfigStore,
    ContactList,
    RegisteredContact,
    SipDomain,
    SipServer,
    Site,
)
from provisioning.services.servers.bare_users import note_ambiguous
from provisioning.services.servers.contact_doubts import is_live
from provisioning.services.servers.contact_lists import read_all
from provisioning.services.servers.end_contacts import MOST_AT_ONCE, Ended, end_registrations
from provisioning.web.access import ConsoleRequest, actor_of, needs
from provisioning.web.ids import row_id
from provisioning.web.keyset import KeysetPage, Order
from provisioning.web.list_page import AnyOf, ListFilter, ListPage, SearchFilter, Switch
from provisioning.web.streaming import stream

TRANSPORTS = [(name, name.upper()) for name in ("tls", "tcp", "udp", "wss", "ws", "sctp")]
COLUMNS = (
    "SIP URI", "account", "client", "contact", "received from", "transport", "server", "store",
    "registered since", "expires",
)  # fmt: skip
# The families of clients that most contacts are of are offered.
_FAMILIES = 40


def _servers() -> list[tuple[int, str]]:
    return list(SipServer.objects.order_by("name").values_list("pk", "name"))


def _stores() -> list[tuple[int, str]]:
    return list(ConfigStore.objects.order_by("name").values_list("pk", "name"))


def _domains() -> list[tuple[str, str]]:
    names = SipDomain.objects.order_by("domain").values_list("domain", flat=True)
    return [(name, name) for name in names]


def _sites() -> list[tuple[int, str]]:
    return list(Site.objects.order_by("name").values_list("pk", "name"))


def _families() -> list[tuple[str, str]]:
    counts: Counter[str] = Counter()
    for families in ContactList.objects.values_list("families", flat=True):
        counts.update(families)
    counts.pop("", None)
    return [(name, f"{name} ({count:,})") for name, count in counts.most_common(_FAMILIES)]


class RegistrationFilter(ListFilter):
    """Registrations by server, store, SIP domain, transport, client, site, and search."""

    server = AnyOf(choices=_servers, label="Server")
    store = AnyOf(choices=_stores, label="Store")
    domain = AnyOf(choices=_domains, label="SIP domain")
    transport = AnyOf(choices=TRANSPORTS, label="Transport")
    family = AnyOf(choices=_families, label="Client")
    site = AnyOf(field_name="account__site", choices=_sites, label="Site")
    unknown = Switch(Q(account=None), label="Without an account")
    q = SearchFilter()

    class Meta:
        model = RegisteredContact
        fields = ()


class Registrations(ListPage[RegisteredContact]):
    """Who is registered, as the stores were last read."""

    filter_class = RegistrationFilter
    orders = {  # noqa: RUF012 - ListPage declares it for the class
        "aor": Order("aor"),
        "since": Order("since"),
    }
    default_order = "aor"
    template = "registrations/registrations.html"
    results_template = "registrations/_results.html"
    list_name = "registrations"
    fixed_views = (
        ("All", ""),
        ("Newest", "sort=-since"),
        ("Without TLS", "transport=udp&transport=tcp&transport=ws"),
        ("Without an account", "unknown=true"),
    )

    def queryset(self) -> QuerySet[RegisteredContact]:
        """Those that have not ended since."""
        return _live().select_related("account__site", "server", "store")

    def context(
        self, request: ConsoleRequest, page: KeysetPage[RegisteredContact]
    ) -> dict[str, Any]:
        """How fresh each list is, and what cannot be known."""
        lists = list(ContactList.objects.select_related("store").order_by("store__name"))
        note_ambiguous(page.rows)
        read = [each.read_at for each in lists if each.read_at is not None]
        return {
            "title": "Registrations",
            "lead": "Who is registered right now, at which server, with which client.",
            "as_of": min(read) if read else None,
            "unknown": [each for each in lists if not each.known],
            "has_server": SipServer.objects.exists(),
            "actions": [END] if request.user.may(Capability.OPERATE) else [],
        }


END = {
    "value": "end", "label": "End registration", "icon": "phone-off", "danger": True,
    "confirm": "End these registrations?",
    "confirm_text": "Calls to these clients stop at once. A client that may still register does so "
    "again by itself; block the account to keep it out.",
    "confirm_button": "End registration",
}  # fmt: skip


@needs(Capability.VIEW)
@require_safe
def export(request: ConsoleRequest) -> HttpResponseBase:
    """The registrations of the list as CSV."""
    rows = RegistrationFilter(
        request.GET, _live().select_related("account", "server", "store")
    ).rows
    return stream(_csv(rows.order_by("aor", "pk")), "text/csv", "registrations.csv")


@needs(Capability.OPERATE)
@require_POST
def end(request: ConsoleRequest) -> HttpResponse:
    """End the chosen registrations, or all that the query string matches."""
    back = f"{reverse('registrations')}?{request.GET.urlencode()}"
    ids = _chosen(request)
    if not ids:
        messages.warning(request, "Nothing was chosen.\nTick registrations in the list first.")
        return redirect(back)
    try:
        _tell(request, end_registrations(contact_ids=ids, actor=actor_of(request)))
    except ProvisioningError as error:
        messages.error(request, f"That did not work.\n{error.message}")
    return redirect(back)


@needs(Capability.OPERATE)
@require_POST
def read_now(request: ConsoleRequest) -> HttpResponse:
    """Have every store read now instead of at the next round."""
    read_all()
    messages.info(request, "The stores are being read.\nLoad this page again in a moment.")
    return redirect(f"{reverse('registrations')}?{request.GET.urlencode()}")


def _live() -> QuerySet[RegisteredContact]:
    return RegisteredContact.objects.filter(is_live())


def _tell(request: ConsoleRequest, found: Ended) -> None:
    what = "1 registration" if found.count == 1 else f"{found.count:,} registrations"
    if found.count:
        hint = "A client that may still register does so again; block the account to keep it out."
        messages.success(request, f"{what} ended.\n{hint}")
    if found.problems:
        messages.error(request, f"Some may still be alive.\n{' '.join(found.problems)[:500]}")


def _chosen(request: ConsoleRequest) -> list[int]:
    """The one whose button was pressed, the ticked ones, or all that match."""
    if request.POST.get("all") == "1" and "only" not in request.POST:
        rows = RegistrationFilter(request.GET, _live()).rows.order_by("pk")
        return list(rows.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    ticked = request.POST.getlist("only") or request.POST.getlist("pk")
    ids = [pk for pk in map(row_id, ticked) if pk is not None]
    if len(ids) != len(ticked):
        raise BadRequest("A registration is chosen by its number.")
    return ids


class _Line:
    """What csv writes to: hands back each line."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: QuerySet[RegisteredContact]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in rows.iterator(chunk_size=2000):
        cells = (
            f"sip:{row.aor}", str(row.account or ""), row.user_agent, row.contact, row.received,
            row.transport, str(row.server or ""), str(row.store), row.since.isoformat(),
            row.expires_at.isoformat() if row.expires_at else "",
        )  # fmt: skip
        yield writer.writerow([safe_cell(cell) for cell in cells])
