"""What the server says of itself (RFC 7643 sections 5 to 7): features, resource types, schemas."""

from __future__ import annotations

from typing import Any

from provisioning.directory.scim.schema import (
    CORE,
    ENTERPRISE,
    SCHEMAS,
    Attribute,
)

MOST_RESULTS = 1000
_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

Document = dict[str, Any]


def service_provider_config(base: str) -> Document:
    """What is offered; `base` is the address of the source, without a slash at its end."""
    return {
        "schemas": [_CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A token that was made for this source in the console",
                "primary": True,
            }
        ],
        "meta": _meta("ServiceProviderConfig", f"{base}/ServiceProviderConfig"),
    }


def resource_types(base: str) -> list[Document]:
    """Users and groups."""
    found = []
    for name, urn in CORE.items():
        document: Document = {
            "schemas": [_TYPE],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "description": SCHEMAS[urn][1],
            "schema": urn,
            "meta": _meta("ResourceType", f"{base}/ResourceTypes/{name}"),
        }
        if name == "User":
            document["schemaExtensions"] = [{"schema": ENTERPRISE, "required": False}]
        found.append(document)
    return found


def schemas(base: str) -> list[Document]:
    """The attributes of each schema."""
    return [
        {
            "schemas": [_SCHEMA],
            "id": urn,
            "name": name,
            "description": description,
            "attributes": [_described(each) for each in attributes],
            "meta": _meta("Schema", f"{base}/Schemas/{urn}"),
        }
        for urn, (name, description, attributes) in SCHEMAS.items()
    ]


def list_response(resources: list[Document], *, total: int, start: int = 1) -> Document:
    """A page of results, the first of which is number `start`."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def error(status: int, detail: str, scim_type: str = "") -> Document:
    """Why a request was not carried out (RFC 7644 section 3.12)."""
    document = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return document | {"scimType": scim_type} if scim_type else document


def _meta(kind: str, location: str) -> Document:
    return {"resourceType": kind, "location": location}


def _described(attribute: Attribute) -> Document:
    document: Document = {
        "name": attribute.name,
        "type": attribute.type,
        "multiValued": attribute.several,
        "description": attribute.description,
        "required": attribute.required,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "server" if attribute.unique else "none",
    }
    if attribute.type == "string":
        document["caseExact"] = attribute.exact
    if attribute.parts:
        document["subAttributes"] = [_described(each) for each in attribute.parts]
    return document
