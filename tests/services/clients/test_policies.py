"""Client policies in documents: what is given to an account beats what its profile says."""

import io
import zipfile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.models import Account, ClientProfile, SipServer
from provisioning.profiles.base import Session
from provisioning.profiles.registry import RENDERERS
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients import documents, export
from provisioning.services.settings.change import set_value
from provisioning.services.settings.effective import explain_setting
from provisioning.services.settings.places import EVERYWHERE, Place
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def account() -> Account:
    store = factories.make_store()
    SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="sip1.example.com", udp_port=5060,
        rpc_url="http://192.0.2.1/RPC",
    )  # fmt: skip
    ClientProfile.objects.create(name="Standard", is_default=True, media_encryption="optional")
    return factories.make_account()


def give(place: Place, key: str, value: bool | int | str) -> None:
    set_value(place=place, setting=CATALOGUE[key], value=value, actor=COMMAND_LINE, approved=True)


def test_the_profile_counts_until_a_policy_says_otherwise(account: Account) -> None:
    place = Place(SettingScope.ACCOUNT, account)
    assert explain_setting(place=place, key="media_encryption").origin == "client profile Standard"
    assert documents.profile_settings(account=account).media_encryption == "optional"
    give(Place(SettingScope.POOL, account.pool), "media_encryption", "required")
    told = explain_setting(place=place, key="media_encryption")
    assert (told.origin, told.beaten[0].origin) == ("pool Frankfurt", "client profile Standard")
    assert documents.profile_settings(account=account).media_encryption == "required"


def test_srtp_required_by_a_policy_stands_in_the_document(account: Account) -> None:
    give(EVERYWHERE, "media_encryption", "required")
    (file,) = export.render_account(
        account=account, format="linphone", with_secret=False, actor=COMMAND_LINE
    )
    assert b'"media_encryption_mandatory" overwrite="true">1<' in file.content


def test_messages_are_told_only_where_both_the_account_and_the_profile_allow_them(
    account: Account,
) -> None:
    assert Session.MESSAGE in documents.profile_settings(account=account).sessions
    give(Place(SettingScope.ACCOUNT, account), "messaging", False)
    assert Session.MESSAGE not in documents.profile_settings(account=account).sessions


def test_clients_are_told_of_their_mailbox_only_where_there_is_a_server_for_it(
    account: Account,
) -> None:
    place = Place(SettingScope.ACCOUNT, account)
    for key, value, told in (
        ("voicemail", True, ""),
        ("voicemail_server", "vm.example.com", f"sip:{account.aor}"),
        ("voicemail", False, ""),
    ):
        give(place, key, value)
        (file,) = export.render_account(
            account=account, format="linphone", with_secret=False, actor=COMMAND_LINE
        )
        for name in ("voicemail_uri", "mwi_server_uri"):
            assert f'<entry name="{name}" overwrite="true">{told}</entry>' in file.content.decode()


def test_a_transport_narrows_the_listeners_and_one_that_is_missing_is_told(
    account: Account,
) -> None:
    give(EVERYWHERE, "client_transport", "tls")
    listeners = documents.profile_settings(account=account).listeners
    assert [each.transport for each in listeners] == ["tls"]
    give(EVERYWHERE, "client_transport", "tcp")
    with pytest.raises(InvalidInput, match="wants TCP, and no server of the pool “Frankfurt”"):
        documents.profile_settings(account=account)


def test_an_export_of_many_asks_for_policies_once_a_batch(account: Account) -> None:
    give(Place(SettingScope.ACCOUNT, account), "video", False)
    counts = []
    for more in (2, 30):
        for n in range(more):
            factories.make_account(f"Room {n}")
        packed = io.BytesIO()
        with CaptureQueriesContext(connection) as queries:
            export.export_accounts(
                accounts=Account.objects.all(), format="linphone", with_secret=False,
                actor=COMMAND_LINE, out=packed,
            )  # fmt: skip
        counts.append(len(queries))
    assert counts[0] == counts[1]
    with zipfile.ZipFile(packed) as archive:
        told = [archive.read(name) for name in archive.namelist() if name.endswith(".xml")]
    assert sum(b'name="capture" overwrite="true">0<' in each for each in told) == 1
    assert len(told) == 33


def test_every_client_policy_is_held_by_a_format_and_formats_hold_only_what_there_is() -> None:
    held = frozenset[str]().union(*(each.policies for each in RENDERERS.values()))
    policies = {key for key, each in CATALOGUE.items() if each.family is Family.CLIENT}
    assert held - {"messaging", "voicemail"} == policies
