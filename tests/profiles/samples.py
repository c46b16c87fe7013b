"""A profile and an account as the tests render them, and what a display name may be."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from provisioning.core.records import Listener
from provisioning.core.text import CONTROLS, LINE_BREAKS
from provisioning.profiles.base import ProfileAccount, ProfileSettings, Session

TLS = Listener("sip.voice.example.com", 5061, "tls")
TCP = Listener("sip.voice.example.com", 5060, "tcp")
UDP = Listener("sip.voice.example.com", 5060, "udp")
GATEWAY = Listener("gateway.example.com", 5061, "tls")
CA_PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"

SETTINGS = ProfileSettings(
    key="7f0c2f1e-1b0e-4f5e-9d50-0c9a5d3a7c11",
    name="Example Voice",
    listeners=(TLS, UDP),
    gateway=GATEWAY,
    sessions=frozenset(Session),
    media_encryption="required",
    register_expires=3600,
    ca_pem=CA_PEM,
    provider="Example Ltd",
    homepage="https://voice.example.com/",
    helpdesk="https://voice.example.com/help?lang=en&topic=sip",
    expires_at=datetime(2027, 1, 31, tzinfo=UTC),
)
ACCOUNT = ProfileAccount(
    user="john.smith",
    domain="voice.example.com",
    realm="voice.example.com",
    auth_user="john.smith",
    display_name='Smith, John "Jack"',
    number="+442079460001",
    secret="Zq7-pw.example",
    ha1="0123456789abcdef0123456789abcdef",
)

WRITABLE = {
    "comma and quotes": 'Smith, John "Jack"',
    "a backslash at the end": "Smith\\",
    "an escaped quote": 'Smith\\" <sip:evil@example.com>;auth_pass=x',
    "angle brackets and a parameter": "<sip:evil@example.com>;regint=0",
    "emoji": "Ann 👩🏽‍💻 Example",
    "the end of a CDATA section": "a]]>b",
    "an ampersand": "Smith & Sons &lt; &amp;",
    "an equals sign": "[section] key=value",
    "a comment sign": "# not a comment",
    "another script": "山田 太郎 العربية",
}
UNWRITABLE = {
    "a line feed and a key of its own": "John\naccount.1.password=x",
    "a carriage return": "John\rpasswd=x",
    "a line separator": "John\u2028passwd=x",
    "a paragraph separator": "John\u2029passwd=x",
    "a next-line character": "John\x85passwd=x",
    "a vertical tab": "John\vpasswd=x",
    "a form feed": "John\fpasswd=x",
    "a file separator": "John\x1cpasswd=x",
    "a zero byte": "John\x00passwd=x",
    "an escape character": "John\x1b[2J",
    "a bidirectional override": "John\u202egpj.exe",
    "half a surrogate pair": "John\ud83d",
}
# Any text at all, rich in what formats treat specially.
NAMES = st.text(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from('"\\<>;=&,#]\n\r\u2028 \t')),
    max_size=60,
)


def named(name: str) -> ProfileAccount:
    """The sample account under another display name."""
    return replace(ACCOUNT, display_name=name)


def is_line(name: str) -> bool:
    """Whether a document may hold the name at all."""
    return not LINE_BREAKS.search(name) and not CONTROLS.search(name)
