"""SIP domains and sites."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import Account, SipDomain, Site
from provisioning.services.accounts.counts import with_account_counts
from provisioning.services.actor import Actor
from provisioning.services.probes.standing import standing_at_servers
from provisioning.services.rollouts.joined import look_before, tell_joined
from provisioning.services.routing.ways import find_way
from provisioning.services.rules.domains import Unconfirmed, delete_sip_domain, save_sip_domain
from provisioning.services.rules.sites import delete_site, save_site
from provisioning.web.access import ConsoleRequest, needs
from provisioning.web.editing import EditPage, delete_view
from provisioning.web.forms.places import DialledForm, SipDomainForm, SiteForm


@needs(Capability.VIEW)
@require_safe
def domains(request: ConsoleRequest) -> HttpResponse:
    """Every SIP domain with its realm and how many accounts it has."""
    context = {
        "title": "SIP domains",
        "lead": "What stands behind the @ of SIP URIs; every pool serves all of them.",
        "domains": with_account_counts(SipDomain.objects.order_by("domain"), by="domain"),
        "at_servers": standing_at_servers([Kind.SIP_DOMAIN]),
    }
    return render(request, "places/domains.html", context)


class SipDomainPage(EditPage[SipDomain]):
    """Add or change a SIP domain."""

    model = SipDomain
    form_class = SipDomainForm
    template = "places/domain.html"
    noun = "SIP domain"
    list_name, list_label, delete_name = "domains", "SIP domains", "domain-delete"

    def save(self, form: SipDomainForm, actor: Actor) -> HttpResponse:
        """A new realm asks for a confirmation first."""
        domain = form.instance
        try:
            save_sip_domain(
                domain=domain, actor=actor, confirmed=form.cleaned_data.get("confirmed", False)
            )
        except Unconfirmed:
            form.ask_for_confirmation()
            raise
        return self.saved(f"{domain} was saved.\nEvery managed store gets it with the next push.")

    def context(self, row: SipDomain | None, form: Any) -> dict[str, Any]:
        """How many accounts a change concerns."""
        return {"accounts": _living(domain=row) if row else 0}


@needs(Capability.VIEW)
@require_safe
def sites(request: ConsoleRequest) -> HttpResponse:
    """Every site with its country, time zone and main number."""
    context = {
        "title": "Sites",
        "lead": "Places with a country, so that numbers and dial rules are read rightly.",
        "sites": with_account_counts(Site.objects.order_by("name"), by="site"),
    }
    return render(request, "places/sites.html", context)


class SitePage(EditPage[Site]):
    """Add or change a site."""

    model = Site
    form_class = SiteForm
    template = "places/site.html"
    noun = "site"
    list_name, list_label, delete_name = "sites", "Sites", "site-delete"

    def save(self, form: SiteForm, actor: Actor) -> HttpResponse:
        """Keep it."""
        before = look_before()
        save_site(site=form.instance, actor=actor)
        servers = tell_joined(before) or "Its dial rules and numbers come with the next push."
        return self.saved(
            f"{form.instance} was saved.\nThe next sync places people by it. {servers}"
        )

    def context(self, row: Site | None, form: Any) -> dict[str, Any]:
        """Where the dial rules are tried out."""
        of_site = reverse("site-try", args=[row.pk]) if row else reverse("site-try-new")
        return {"try_href": of_site, "dialled_form": DialledForm()}


@needs(Capability.CONFIGURE)
@require_POST
def try_dialling(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """What becomes of a number by the rules in the form, and which way it then takes."""
    form = DialledForm(request.POST)
    site = None if pk is None else get_object_or_404(Site, pk=pk)
    context: dict[str, Any] = {}
    if form.is_valid() and form.cleaned_data["dialled"]:
        dialled = form.cleaned_data["dialled"]
        try:
            way = find_way(dialled=dialled, rules=form.cleaned_data["dial_rules"], site=site)
            context = {"dialled": dialled, "way": way}
        except ProvisioningError as error:
            context = {"problem": error.message}
    return render(request, "places/_dialled.html", context)


def _delete_domain(domain: SipDomain, actor: Actor) -> None:
    delete_sip_domain(domain=domain, actor=actor)


def _delete_site(site: Site, actor: Actor) -> None:
    delete_site(site=site, actor=actor)


def _living(**values: Any) -> int:
    return Account.objects.filter(**values).exclude(state=State.REMOVED).count()


domain_delete = delete_view(SipDomain, _delete_domain, "domains", "domain")
site_delete = delete_view(Site, _delete_site, "sites", "site")
