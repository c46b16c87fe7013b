"""What probes found is of no use any more where a server or its store is another one."""

from __future__ import annotations

from django.db.models import QuerySet

from provisioning.models import ProbeResult, ServerProbe, SipServer


def forget_probes(servers: QuerySet[SipServer]) -> None:
    """Forget what was found at these servers, in the caller's transaction: they are due again."""
    ProbeResult.objects.filter(server__in=servers).delete()
    ServerProbe.objects.filter(server__in=servers).update(at=None, transport="", problem="")
