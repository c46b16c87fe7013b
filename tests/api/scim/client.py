"""A SCIM client of one source: requests as machines send them, answers as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.sources import save_source
from provisioning.services.scim.scim_tokens import create_token

JSON = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class Answer:
    """Status, headers and the document of an answer; {} where it has none."""

    status: int
    headers: Any
    body: dict[str, Any]

    @property
    def id(self) -> str:
        """The id of the resource."""
        return str(self.body["id"])


@dataclass
class ScimClient:
    """Sends requests with a token to the tenant URL of a source."""

    source: DirectorySource
    token: str

    def send(
        self, method: str, path: str, document: Any = None, *, query: dict[str, Any] | None = None,
        content_type: str = JSON, headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One request."""
        given: dict[str, Any] = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = Client(enforce_csrf_checks=True).generic(
            method, f"/scim/v2/{self.source.pk}{path}",
            b"" if document is None else content,
            content_type=content_type, headers=given, query_params=query,
        )  # fmt: skip
        if answer.content:
            assert answer["Content-Type"] == JSON, answer.content[:500]
        body = json.loads(answer.content) if answer.content else {}
        return Answer(answer.status_code, answer.headers, body)

    def get(self, path: str, **query: Any) -> Answer:
        """Read."""
        return self.send("GET", path, query=query)

    def post(self, path: str, document: Any) -> Answer:
        """Create."""
        return self.send("POST", path, document)

    def put(self, path: str, document: Any, **headers: str) -> Answer:
        """Replace."""
        return self.send("PUT", path, document, headers=headers)

    def patch(self, path: str, *operations: Any, **headers: str) -> Answer:
        """Change."""
        document = {"schemas": [PATCH], "Operations": list(operations)}
        return self.send("PATCH", path, document, headers=headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """Delete."""
        return self.send("DELETE", path, headers=headers)

    def user(self, user_name: str, **values: Any) -> str:
        """A new user; the id."""
        given = {"schemas": [USER], "userName": user_name, "active": True, **values}
        answer = self.post("/Users", given)
        assert answer.status == 201, answer.body
        return answer.id

    def group(self, name: str, *members: str) -> str:
        """A new group; the id."""
        answer = self.post(
            "/Groups",
            {"schemas": [GROUP], "displayName": name, "members": [{"value": m} for m in members]},
        )
        assert answer.status == 201, answer.body
        return answer.id


def scim_source(name: str = "Entra ID", **values: Any) -> DirectorySource:
    """A saved source with the preset of its kind."""
    preset = DEFAULT_MAPPINGS["scim"]
    columns: dict[str, Any] = {
        "name": name, "kind": "scim", "mapping": dict(preset.fields), "mode": preset.mode,
        "disabled_expression": preset.disabled, "interval_seconds": preset.interval, **values,
    }  # fmt: skip
    source = DirectorySource(**columns)
    save_source(source=source, actor=COMMAND_LINE)
    return source


def scim_client(source: DirectorySource | None = None) -> ScimClient:
    """A client with a token of its own."""
    source = source or scim_source()
    return ScimClient(source, create_token(source=source, name="test", actor=COMMAND_LINE).text)
