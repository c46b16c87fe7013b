"""The attributes of a directory for whoever maps them, remembered for some minutes."""

from __future__ import annotations

from django.core.cache import cache
from django.utils.crypto import salted_hmac

from provisioning.core.records import SourceRecord
from provisioning.directory.conversation import ask_first
from provisioning.directory.schema import Attribute, read_attributes
from provisioning.models import DirectorySource
from provisioning.services.directory.sources import source_candidate
from provisioning.services.scim.scim_sample import read_scim_attributes
from provisioning.services.servers import targets

_SECONDS = 600
_MOST = 60


def find_attributes(
    *, source: DirectorySource, secret: str | None, text: str = ""
) -> list[Attribute]:
    """At most 60 attributes that hold `text` in name, words or example; the frequent ones first.

    Raises a ProvisioningError where the directory cannot be asked.
    """
    found = read_scim_attributes(source) if source.is_scim else _asked(source, secret)
    wanted = text.strip().lower()
    matching = (
        each
        for each in found
        if wanted in f"{each.name}\n{each.description}\n{each.example}".lower()
    )
    # Who begins to type a name means that attribute, and not one that mentions it.
    ranked = sorted(matching, key=lambda each: not each.name.lower().startswith(wanted))
    return ranked[:_MOST]


def _asked(source: DirectorySource, secret: str | None) -> list[Attribute]:
    record = targets.pin_source(source_candidate(source=source, secret=secret))
    key = _key(record)
    found: list[Attribute] | None = cache.get(key)
    if found is None:
        found = ask_first(record, lambda conversation: read_attributes(record, conversation))
        cache.set(key, found, _SECONDS)
    return found


def _key(record: SourceRecord) -> str:
    """Another one for every place, account and secret: who does not sign in sees nothing."""
    values = (
        record.uris, record.tls, record.ca_pem, record.bind_method, record.bind_dn,
        record.client_certificate, record.bind_secret, record.person_bases, record.person_filter,
        sorted((record.addresses or {}).items()),
    )  # fmt: skip
    digest = salted_hmac("provisioning.source_attributes", repr(values), algorithm="sha256")
    return f"source-attributes:{digest.hexdigest()}"
