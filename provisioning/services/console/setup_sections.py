"""What a setup document may hold: for each section the model, and the service that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from provisioning.core.errors import InvalidFields
from provisioning.core.roles import Role
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import (
    AccountRule,
    ClientProfile,
    ConfigStore,
    DirectorySource,
    Gateway,
    GroupAddress,
    NumberRange,
    RoleGroup,
    Route,
    ServerPool,
    SipDomain,
    SipServer,
    Site,
    TrustedHost,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients.profiles import save_profile
from provisioning.services.console import saving
from provisioning.services.directory.role_groups import add_role_group, remove_role_group
from provisioning.services.directory.sources import save_source
from provisioning.services.numbers.ranges import save_range
from provisioning.services.routing.gateways import save_gateway
from provisioning.services.routing.group_addresses import (
    save_group_address,
)
from provisioning.services.routing.routes import save_route
from provisioning.services.routing.trusted_hosts import save_trusted_host
from provisioning.services.rules.domains import save_sip_domain
from provisioning.services.rules.rules import save_rule
from provisioning.services.rules.sites import save_site
from provisioning.services.servers.pools import save_pool
from provisioning.services.servers.servers import save_server
from provisioning.services.servers.stores import save_store, set_store_mode

# Kept by the services themselves.
NOT_GIVEN = {"version", "position"}

Entry = Mapping[str, Any]
Save = Callable[[Any, str | None], object]


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of entries: the model, the service that keeps a row, and where its secret is."""

    model: type[models.Model]
    save: Save
    identity: tuple[str, ...] = ("name",)
    secret_of: Callable[[Any], str] | None = None
    start: Callable[[Entry], dict[str, Any]] = lambda entry: {}

    @property
    def fields(self) -> dict[str, models.Field[Any, Any]]:
        """What an entry may give, by name."""
        return {
            field.name: field
            for field in self.model._meta.concrete_fields
            if field.editable and not field.primary_key and field.name not in NOT_GIVEN
        }


def _save_store(store: ConfigStore, secret: str | None) -> None:
    mode = store.mode
    save_store(store=store, actor=COMMAND_LINE, secret=secret)
    if store.mode != mode:
        set_store_mode(store=store, mode=mode, actor=COMMAND_LINE)


def _save_role_group(row: RoleGroup, _: str | None) -> None:
    before = saving.find_stored(row)
    if before is not None:
        remove_role_group(role_group=before, actor=COMMAND_LINE)
    add_role_group(source=row.source, group=row.group, role=Role(row.role), actor=COMMAND_LINE)


def _preset(entry: Entry) -> dict[str, Any]:
    kind = entry.get("kind", DirectorySource.Kind.ACTIVE_DIRECTORY)
    preset = DEFAULT_MAPPINGS.get(kind)
    if preset is None:
        raise InvalidFields({"kind": f"One of {', '.join(DEFAULT_MAPPINGS)}."})
    return {
        "key_attribute": preset.key_attribute,
        "person_filter": preset.person_filter,
        "group_filter": preset.group_filter,
        "mapping": dict(preset.fields),
        "disabled_expression": preset.disabled,
        "photo_attribute": preset.photo,
        "mode": preset.mode,
        "interval_seconds": preset.interval,
    }


# In the order in which they can name each other.
SECTIONS: dict[str, Section] = {
    "sites": Section(Site, lambda row, _: save_site(site=row, actor=COMMAND_LINE)),
    "sip_domains": Section(
        SipDomain,
        lambda row, _: save_sip_domain(domain=row, actor=COMMAND_LINE),
        identity=("domain",),
    ),
    "pools": Section(ServerPool, lambda row, _: save_pool(pool=row, actor=COMMAND_LINE)),
    "number_ranges": Section(
        NumberRange, lambda row, _: save_range(number_range=row, actor=COMMAND_LINE)
    ),
    "stores": Section(ConfigStore, _save_store, secret_of=lambda row: row.as_record().secret),
    "servers": Section(
        SipServer,
        lambda row, secret: save_server(server=row, actor=COMMAND_LINE, secret=secret),
        secret_of=lambda row: row.as_record().rpc_secret,
    ),
    "gateways": Section(
        Gateway,
        lambda row, secret: save_gateway(gateway=row, actor=COMMAND_LINE, secret=secret),
        secret_of=lambda row: row.secret(),
    ),
    "routes": Section(Route, lambda row, _: save_route(route=row, actor=COMMAND_LINE)),
    "group_addresses": Section(
        GroupAddress, lambda row, _: save_group_address(group=row, actor=COMMAND_LINE)
    ),
    "trusted_hosts": Section(
        TrustedHost, lambda row, _: save_trusted_host(host=row, actor=COMMAND_LINE)
    ),
    "client_profiles": Section(
        ClientProfile, lambda row, _: save_profile(profile=row, actor=COMMAND_LINE)
    ),
    "sources": Section(
        DirectorySource,
        lambda row, secret: save_source(source=row, actor=COMMAND_LINE, secret=secret),
        secret_of=lambda row: row.bind_secret(),
        start=_preset,
    ),
    "role_groups": Section(RoleGroup, _save_role_group, identity=("source", "group")),
    "account_rules": Section(AccountRule, lambda row, _: save_rule(rule=row, actor=COMMAND_LINE)),
}
