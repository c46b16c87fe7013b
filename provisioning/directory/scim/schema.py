"""The attributes of users and groups (RFC 7643 sections 4 and 8.7) that are told apart by type."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE = {"User": USER, "Group": GROUP}
# What the server says of a resource: clients send it back, and it is ignored.
READ_ONLY = frozenset({"id", "meta", "schemas", "groups"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: `type` is string, boolean or complex (with `parts`)."""

    name: str
    description: str = ""
    type: str = "string"
    several: bool = False
    required: bool = False
    exact: bool = False
    unique: bool = False
    parts: tuple[Attribute, ...] = ()


def _several(name: str, description: str, *more: str) -> Attribute:
    parts = tuple(Attribute(part) for part in ("value", "display", "type", *more))
    primary = Attribute("primary", "The preferred one", "boolean")
    return Attribute(name, description, "complex", several=True, parts=(*parts, primary))


_NAME = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")

USER_ATTRIBUTES = (
    Attribute("userName", "What the person signs in with", required=True, unique=True),
    Attribute("externalId", "What the client knows the user by", exact=True),
    Attribute("name", "The parts of the name", "complex", parts=tuple(map(Attribute, _NAME))),
    Attribute("displayName", "The name that is shown"),
    Attribute("nickName"),
    Attribute("profileUrl"),
    Attribute("title", "The job title"),
    Attribute("userType"),
    Attribute("preferredLanguage"),
    Attribute("locale"),
    Attribute("timezone"),
    Attribute("active", "Whether the person may use the service", "boolean"),
    _several("emails", "Mail addresses"),
    _several("phoneNumbers", "Telephone numbers"),
    _several("ims", "Addresses of instant messengers"),
    _several("addresses", "Postal addresses", *_ADDRESS),
    _several("entitlements", "What the person is entitled to"),
    _several("roles", "The roles of the person"),
)
GROUP_ATTRIBUTES = (
    Attribute("displayName", "The name of the group", required=True),
    Attribute("externalId", "What the client knows the group by", exact=True),
    Attribute(
        "members", "Users and groups in the group", "complex", several=True,
        parts=(Attribute("value", "The id", exact=True), Attribute("type", "User or Group")),
    ),
)  # fmt: skip
ENTERPRISE_ATTRIBUTES = (
    Attribute("employeeNumber"),
    Attribute("costCenter"),
    Attribute("organization"),
    Attribute("division"),
    Attribute("department"),
    Attribute(
        "manager", "Whom the person reports to", "complex",
        parts=(Attribute("value", "The id of the manager"), Attribute("displayName")),
    ),
)  # fmt: skip
SCHEMAS = {
    USER: ("User", "A person", USER_ATTRIBUTES),
    GROUP: ("Group", "A group of users and groups", GROUP_ATTRIBUTES),
    ENTERPRISE: ("EnterpriseUser", "What companies add to a user", ENTERPRISE_ATTRIBUTES),
}


@cache
def spellings() -> dict[str, str]:
    """Every name of the schemas by itself in lower case: names compare without case."""
    found: dict[str, str] = {}
    for urn, (_, _, attributes) in SCHEMAS.items():
        found[urn.lower()] = urn
        for each in attributes:
            for named in (each, *each.parts):
                found.setdefault(named.name.lower(), named.name)
    return found | {name.lower(): name for name in (*READ_ONLY, "$ref")}


@cache
def attributes_of(urn: str) -> dict[str, Attribute]:
    """The attributes of a schema by name; empty for an extension that is not known."""
    _, _, attributes = SCHEMAS.get(urn, ("", "", ()))
    return {each.name: each for each in attributes}
