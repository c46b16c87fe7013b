"""baresip's configuration directory: `accounts`, `config` and where needed `ca.pem`.

Started inside the directory (`cd DIR && baresip -f .`): baresip looks for `ca.pem` where it runs.
"""

from __future__ import annotations

from functools import lru_cache

from provisioning.core.errors import InvalidInput
from provisioning.core.text import require_line
from provisioning.profiles.addresses import host_port, name_addr, preferred
from provisioning.profiles.base import (
    File,
    MediaEncryption,
    NatTraversal,
    ProfileAccount,
    ProfileSettings,
)

# baresip copies each line of `accounts` into 512 bytes and cuts it off there without a word.
_LONGEST_LINE = 511
# baresip looks for parameters inside quotes too and resolves no escape in them.
_UNQUOTABLE = frozenset('";\\')
_MEDIA: dict[MediaEncryption, str] = {
    "none": "",
    "optional": ";mediaenc=srtp",
    "required": ";mediaenc=srtp-mand",
}
_NAT: dict[NatTraversal, str] = {"none": "", "stun": ";medianat=stun", "ice": ";medianat=ice"}
# srtp.so comes before account.so, which looks up `mediaenc` while it reads the accounts.
_CONFIG = """\
poll_method epoll
sip_cafile {cafile}
sip_verify_server yes
call_max_calls 4
audio_player alsa,default
audio_source alsa,default
audio_alert alsa,default
module_path /usr/lib/baresip/modules
module stdio.so
module opus.so
module g722.so
module g711.so
module alsa.so
module srtp.so
module stun.so
module ice.so
module_tmp uuid.so
module_tmp account.so
module_app debug_cmd.so
module_app menu.so
"""
_SYSTEM_CAFILE = "/etc/ssl/certs/ca-certificates.crt"


class Baresip:
    """One account with its clear-text secret, which baresip 1.0 needs to answer a challenge."""

    name = "baresip"
    label = "baresip"
    needs_secret = True
    holds_secret = True
    takes_ha1 = False
    policies = frozenset(
        {
            "register_interval", "media_encryption", "client_transport", "store_passwords",
            "nat_traversal", "stun_server", "voicemail",
        }
    )  # fmt: skip

    def render(self, settings: ProfileSettings, account: ProfileAccount) -> list[File]:
        """`accounts`, `config` and the CA's certificate if the profile has one; see `Renderer`."""
        if account.secret is None:
            raise InvalidInput("A baresip profile needs the account's clear-text password.")
        if not settings.stores_passwords:
            raise InvalidInput(
                "baresip signs in with the password in its file, and a policy lets clients of this "
                "account keep none. Give the account another client, or another policy."
            )
        if account.algorithm != "MD5":
            raise InvalidInput(
                f"baresip answers MD5 challenges only, and the servers ask for {account.algorithm}."
            )
        transport, parameters = _settings_part(settings)
        line = (
            f"{name_addr(account, transport)}"
            f";auth_user={_quoted(account.auth_user, 'authentication user')}"
            f"{parameters}"
            f";auth_pass={_quoted(account.secret, 'password')}"
        ).encode()
        if len(line) > _LONGEST_LINE:
            raise InvalidInput(
                f"The baresip account is {len(line)} bytes long and baresip reads {_LONGEST_LINE}; "
                "shorten the display name."
            )
        files = [
            File("accounts", "text/plain; charset=utf-8", line + b"\n"),
            File("config", "text/plain; charset=utf-8", _config(settings)),
        ]
        if settings.ca_pem:
            files.append(File("ca.pem", "application/x-pem-file", settings.ca_pem.encode()))
        return files


@lru_cache(maxsize=64)
def _settings_part(settings: ProfileSettings) -> tuple[str, str]:
    """The URI parameters and the account parameters that are the same for every account."""
    listener = preferred(settings)
    transport = f";transport={listener.transport}"
    nat = _NAT[settings.nat_traversal]
    if nat:
        nat += f";stunserver={_quoted(f'stun:{settings.stun_server}', 'STUN server')}"
    return transport, (
        f';outbound="sip:{host_port(listener)}{transport}"'
        f";regint={settings.register_expires}{_MEDIA[settings.media_encryption]}{nat}"
    )


def _config(settings: ProfileSettings) -> bytes:
    lines = _CONFIG.format(cafile="ca.pem" if settings.ca_pem else _SYSTEM_CAFILE)
    # Asks for waiting messages at the account's own address.
    return (lines + "module_app mwi.so\n" if settings.voicemail else lines).encode()


def _quoted(value: str, what: str) -> str:
    """A parameter value in quotes; raises InvalidInput when baresip would read another value."""
    require_line(value, f"The {what}")
    if not value or not _UNQUOTABLE.isdisjoint(value):
        raise InvalidInput(
            f"baresip cannot read this account's {what}: it is empty or contains one of \" ; \\. "
            "Create a new credential."
        )
    return f'"{value}"'
