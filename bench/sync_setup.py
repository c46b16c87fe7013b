"""What a console needs before it can sync; import it where Django is set up."""

from __future__ import annotations

from typing import Any

from provisioning.models import AccountRule, ConfigStore, DirectorySource, ServerPool, SipDomain


def make_source(columns: dict[str, Any]) -> None:
    """One source, and one rule that gives everybody an account on a managed store."""
    secret = columns.pop("secret")
    source = DirectorySource.objects.create(**columns)
    source.set_bind_secret(secret)
    source.save()
    pool = ServerPool.objects.create(name="Main")
    ConfigStore.objects.create(name="Main", pool=pool, database="kamailio", mode="manage")
    domain = SipDomain.objects.create(domain="corp.example")
    AccountRule.objects.create(name="Everybody", domain=domain, pool=pool)
