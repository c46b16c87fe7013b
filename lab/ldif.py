"""LDIF (RFC 2849): entries as text, and a streamed company of any size for benchmarks."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from lab.people import DEPARTMENTS, DOMAIN, TITLES
from lab.sites import SITES

Attributes = Mapping[str, Iterable[str]]
# Any fixed number will do: it makes the same person carry the same entryUUID in every run.
FIRST_UUID = 0x5A1D_0000_0000_4000_8000_0000_0000_0000


def record(dn: str, attributes: Attributes) -> str:
    """One entry as an LDIF record; an attribute without values is left out."""
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        lines.extend(_line(name, value) for value in values)
    return "\n".join(lines) + "\n\n"


def bulk_people(count: int, base: str) -> Iterator[str]:
    """`count` people with 13 attributes each (entryUUID among them), as records below `base`.

    Everything is plain ASCII and no value needs quoting, so nothing is spent on either.
    """
    for place in range(count):
        site = SITES[place % len(SITES)]
        given_name = site.given_names[place // 8 % len(site.given_names)][1]
        surname = site.surnames[place // 3 % len(site.surnames)][1]
        uid = f"u{place:06d}"
        yield (
            f"dn: uid={uid},{base}\n"
            "objectClass: inetOrgPerson\n"
            f"uid: {uid}\n"
            f"cn: {given_name} {surname} {place}\n"
            f"sn: {surname}\n"
            f"givenName: {given_name}\n"
            f"displayName: {surname}, {given_name}\n"
            f"mail: {uid}@{DOMAIN}\n"
            f"telephoneNumber: +4420{79_000_000 + place}\n"
            f"mobile: +447{700_000_000 + place}\n"
            f"employeeNumber: {place}\n"
            f"title: {TITLES[place % len(TITLES)]}\n"
            f"departmentNumber: {DEPARTMENTS[place % len(DEPARTMENTS)]}\n"
            f"l: City {place % 50}\n"
            f"entryUUID: {UUID(int=FIRST_UUID + place)}\n\n"
        )


def bulk_groups(count: int, people: int, size: int, base: str, people_base: str) -> Iterator[str]:
    """`count` groups of `size` of the `people` bulk people, spread evenly, as records."""
    for place in range(count):
        members = sorted({(place * 7919 + step * 104_729) % people for step in range(size)})
        yield (
            f"dn: cn=g{place:04d},{base}\nobjectClass: groupOfNames\ncn: g{place:04d}\n"
            + "".join(f"member: uid=u{member:06d},{people_base}\n" for member in members)
            + "\n"
        )


def _line(name: str, value: str) -> str:
    plain = value.isascii() and value.isprintable() and value.strip() == value
    if plain and value[:1] not in {":", "<", ""}:
        return f"{name}: {value}"
    return f"{name}:: {b64encode(value.encode()).decode()}"
