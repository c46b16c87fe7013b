"""What is kept, one file a noun."""

from provisioning.models.account import Account, Credential, Pin
from provisioning.models.alert import Alert, AlertChannel, AlertMessage, AlertTold
from provisioning.models.alias import Alias
from provisioning.models.audit import AuditEvent
from provisioning.models.console import ConsoleUser
from provisioning.models.contact import ContactList, RegisteredContact
from provisioning.models.domain import SipDomain
from provisioning.models.drift import Drift
from provisioning.models.group import DirectoryGroup, GroupMember, GroupNesting
from provisioning.models.group_address import GroupAddress
from provisioning.models.guessing import RefusedFetches, WrongSecrets
from provisioning.models.health import HealthSample
from provisioning.models.joining import Apart, Joining
from provisioning.models.limits import LimitUse
from provisioning.models.number import Number, NumberRange
from provisioning.models.person import Person
from provisioning.models.pool import ConfigStore, ServerPool, SipServer
from provisioning.models.probe import ProbeAccount, ProbeResult, ServerProbe
from provisioning.models.profile import ClientProfile, ProvisioningLink
from provisioning.models.proof import StoreProof
from provisioning.models.proposal import Proposal
from provisioning.models.push import OwnedRow, PendingChange, PushPause
from provisioning.models.push_record import PushRecord, RowImages
from provisioning.models.rehire import Rehire
from provisioning.models.rollout import Rollout, RolloutStage
from provisioning.models.routing import Gateway, Route, TrustedHost
from provisioning.models.rule import AccountRule
from provisioning.models.run import PlannedChange, Run
from provisioning.models.saved_view import SavedView
from provisioning.models.scim import ScimFeed, ScimMember, ScimResource, ScimToken
from provisioning.models.sent_form import SentForm
from provisioning.models.setting import GroupRank, SettingValue
from provisioning.models.site import Site
from provisioning.models.source import DirectorySource, RoleGroup
from provisioning.models.write_back import WriteBack, WrittenAttribute, WrittenValue

__all__ = [
    "Account",
    "AccountRule",
    "Alert",
    "AlertChannel",
    "AlertMessage",
    "AlertTold",
    "Alias",
    "Apart",
    "AuditEvent",
    "ClientProfile",
    "ConfigStore",
    "ConsoleUser",
    "ContactList",
    "Credential",
    "DirectoryGroup",
    "DirectorySource",
    "Drift",
    "Gateway",
    "GroupAddress",
    "GroupMember",
    "GroupNesting",
    "GroupRank",
    "HealthSample",
    "Joining",
    "LimitUse",
    "Number",
    "NumberRange",
    "OwnedRow",
    "PendingChange",
    "Person",
    "Pin",
    "PlannedChange",
    "ProbeAccount",
    "ProbeResult",
    "Proposal",
    "ProvisioningLink",
    "PushPause",
    "PushRecord",
    "RefusedFetches",
    "RegisteredContact",
    "Rehire",
    "RoleGroup",
    "Rollout",
    "RolloutStage",
    "Route",
    "RowImages",
    "Run",
    "SavedView",
    "ScimFeed",
    "ScimMember",
    "ScimResource",
    "ScimToken",
    "SentForm",
    "ServerPool",
    "ServerProbe",
    "SettingValue",
    "SipDomain",
    "SipServer",
    "Site",
    "StoreProof",
    "TrustedHost",
    "WriteBack",
    "WrittenAttribute",
    "WrittenValue",
    "WrongSecrets",
]
