"""By which way a directory tells what changed, so that not everything has to be read each time."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import SourceRecord
from provisioning.directory.reader import Reader
from provisioning.directory.ways import begin

# By key attribute, in the order of preference: the way, and how it is called.
_WAYS = {
    "objectguid": (("dirsync", "DirSync"), ("usn", "uSNChanged")),
    "entryuuid": (("syncrepl", "syncrepl (RFC 4533)"),),
}
_ENABLE = {
    "objectguid": "Give the bind account the right “Replicating Directory Changes” on the domain "
    "(ADUC, Security; or dsacls).",
    "entryuuid": "Load the overlay syncprov into the database (OpenLDAP: moduleload syncprov, "
    "overlay syncprov, syncprov-sessionlog), and let the bind account read entryUUID and entryCSN.",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a directory offers: the name of the way (empty: none), and what would improve it."""

    way: str
    advice: str


def find_offer(source: SourceRecord) -> Offer:
    """The first way that works for this bind account; changes nothing."""
    key = source.key_attribute.lower()
    refusals = []
    for way, name in _WAYS.get(key, ()):
        try:
            with Reader(source) as reader:
                start = begin(reader, way)
        except ProvisioningError as error:
            refusals.append(f"{name}: {error.message}")
            continue
        advice = [f"It does not show this way: {start.unseen}"] if start.unseen else []
        advice += [f"{refusal} {_ENABLE[key]}" for refusal in refusals]
        return Offer(name, " ".join(advice))
    return Offer("", " ".join([*refusals, _ENABLE.get(key, "")]).strip())
