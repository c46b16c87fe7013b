"""The DNS records of a SIP domain: what to publish, and what is published."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from provisioning.core.errors import ProvisioningError
from provisioning.core.roles import Capability
from provisioning.models import SipDomain
from provisioning.services.rules.dns_records import (
    check_records,
    servers_without_name,
    wanted_records,
)
from provisioning.web.access import ConsoleRequest, needs


@needs(Capability.VIEW)
@require_safe
def dns(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The records to publish; nobody is asked yet."""
    domain = get_object_or_404(SipDomain, pk=pk)
    records = wanted_records(domain=domain)
    context = {
        "title": f"DNS records of {domain}",
        "lead": "By these, clients and other servers find the SIP servers of the domain.",
        "crumbs": [("SIP domains", reverse("domains")), (f"DNS records of {domain}", "")],
        "domain": domain,
        "records": records,
        "zone": "\n".join(map(str, records)),
        "nameless": servers_without_name(),
    }
    return render(request, "places/dns.html", context)


@needs(Capability.VIEW)
@require_safe
def check(request: ConsoleRequest, pk: int) -> HttpResponse:
    """What DNS says now."""
    domain = get_object_or_404(SipDomain, pk=pk)
    try:
        context = {"checked": check_records(domain=domain)}
    except ProvisioningError as error:
        return render(request, "places/_dns_checked.html", {"problem": error.message})
    return render(request, "places/_dns_checked.html", context)
