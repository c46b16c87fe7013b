"""Client profiles: the list, the form, and a preview for a chosen account."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.states import State
from provisioning.models import Account, ClientProfile
from provisioning.profiles.registry import RENDERERS
from provisioning.services.actor import Actor
from provisioning.services.clients import documents
from provisioning.services.clients.profiles import delete_profile, save_profile
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.profiles import ProfileForm
from provisioning.web.search import matching

_CRUMB = "Client profiles"


@needs(Capability.VIEW)
@require_safe
def profiles(request: ConsoleRequest) -> HttpResponse:
    """Every profile, and which is the default."""
    context = {
        "title": "Client profiles",
        "lead": "What clients are told besides who they are: sessions, encryption, servers.",
        "profiles": ClientProfile.objects.annotate(
            rules=Count("accountrule", distinct=True)
        ).order_by("-is_default", "name"),
    }
    return render(request, "profiles/profiles.html", context)


@needs(Capability.VIEW)
@require_safe
def profile(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What a profile says, and the document of a chosen account with its secret masked."""
    row = get_object_or_404(ClientProfile, pk=pk)
    wanted = request.GET.get("account", "").replace("\x00", "").strip()
    format = request.GET.get("format", "")
    if format not in RENDERERS:
        format = next(iter(RENDERERS))
    account = _example(wanted)
    context = {
        "title": row.name,
        "crumbs": [(_CRUMB, reverse("profiles")), (row.name, "")],
        "profile": row,
        "rows": _rows(row),
        "wanted": wanted,
        "account": account,
        "format": format,
        "formats": RENDERERS.values(),
        "mask": documents.MASK,
        **(_preview(row, account, format) if account else {}),
    }
    template = "profiles/_preview.html" if request.htmx else "profiles/profile.html"
    return render(request, template, context)


class ProfilePage(EditPage[ClientProfile]):
    """Add or change a profile."""

    model = ClientProfile
    form_class = ProfileForm
    template = "profiles/edit.html"
    noun = "client profile"
    list_name, list_label, delete_name = "profiles", _CRUMB, "profile-delete"
    lead = "Clients get a change when they fetch their document again."

    def save(self, form: ProfileForm, actor: Actor) -> HttpResponse:
        """Keep it and show what it looks like."""
        save_profile(profile=form.instance, actor=actor)
        url = reverse("profile", args=[form.instance.pk])
        return self.saved(f"{form.instance} was saved.\nSee it for an account below.", url)

    def cancel(self, row: ClientProfile | None) -> str:
        """Back to the profile, or to the list."""
        return reverse("profile", args=[row.pk]) if row else reverse("profiles")

    def initial(self, row: Any) -> dict[str, Any]:
        """The first profile is the default one."""
        return {"is_default": not ClientProfile.objects.exists()} if row is None else {}


def _example(wanted: str) -> Account | None:
    """The active account that `wanted` finds, or any."""
    active = documents.with_what_documents_need(Account.objects.filter(state=State.ACTIVE))
    if not wanted:
        return active.order_by("name_key", "pk").first()
    address = wanted.lower().removeprefix("sip:")
    exact = active.filter(aor=address).first()
    return exact or matching(active, wanted).order_by("name_key", "pk").first()


def _preview(row: ClientProfile, account: Account, format: str) -> dict[str, Any]:
    account.profile = row  # as if it named this one; never saved
    try:
        files = documents.preview(account=account, renderer=RENDERERS[format])
    except ProvisioningError as error:
        return {"problem": error.message}
    return {"files": [(file.name, file.content.decode()) for file in files]}


def _rows(row: ClientProfile) -> list[dict[str, Any]]:
    allowed = {
        "PC-PC calls": row.allow_pc2pc,
        "PC-phone calls": row.allow_pc2ph,
        "phone-phone calls": row.allow_ph2ph,
        "instant messages": row.allow_im,
    }
    gateway = ""
    if row.gateway_host:
        transport = row.get_gateway_transport_display()
        gateway = f"{row.gateway_host}:{row.gateway_port} over {transport}"
    valid = f"{row.valid_days} days" if row.valid_days else "until they are replaced"
    return [
        {"label": "Allowed", "value": ", ".join(name for name, yes in allowed.items() if yes)},
        {"label": "Media encryption", "value": row.get_media_encryption_display()},
        {"label": "Registration lasts", "value": f"{row.register_expires} seconds"},
        {"label": "PSTN gateway", "value": gateway or "the account's own SIP server"},
        {"label": "Certificate authority", "value": "given along" if row.ca_pem else "none"},
        {"label": "Provider", "value": row.provider},
        {"label": "Home page", "value": row.homepage},
        {"label": "Help desk", "value": row.helpdesk},
        {"label": "Documents are valid", "value": valid},
        {"label": "Version", "value": row.version},
    ]


def _delete(row: ClientProfile, actor: Actor) -> None:
    delete_profile(profile=row, actor=actor)


profile_delete = delete_view(ClientProfile, _delete, "profiles", "profile")
