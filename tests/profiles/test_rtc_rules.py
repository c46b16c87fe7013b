"""The validator of RTC profiles: one broken document for each rule."""

import pytest

from provisioning.profiles.rtc_rules import CODES, MAX_DOCUMENT, Finding, validate

USER = '<user uri="sip:ann@example.com"/>'
SERVER = '<sipsrv addr="sip.example.com:5061" protocol="TLS" role="proxy"/>'


def profile(user: str = USER, *servers: str, root: str = 'key="k" name="n"') -> bytes:
    return f"<provision {root}>{user}{''.join(servers or (SERVER,))}</provision>".encode()


def server(**changes: str) -> str:
    """A TLS proxy with other attributes; an empty one is left out."""
    attributes = {"addr": "sip.example.com:5061", "protocol": "TLS", "role": "proxy"} | changes
    written = " ".join(f'{key}="{value}"' for key, value in attributes.items() if value)
    return f"<sipsrv {written}/>"


def hosting(*sessions: str, **changes: str) -> str:
    inside = "".join(f"<session {each}/>" for each in sessions)
    return server(**changes).replace("/>", f">{inside}</sipsrv>")


def user(**attributes: str) -> str:
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<user uri="sip:ann@example.com"{written}/>'


def names(document: bytes) -> list[str]:
    return [finding.name for finding in validate(document)]


BROKEN = {
    "no XML": (b"provision", "RTC_E_MALFORMED_XML"),
    "an unclosed tag": (b"<provision>", "RTC_E_MALFORMED_XML"),
    "a document type": (b"<!DOCTYPE provision []>" + profile(), "RTC_E_MALFORMED_XML"),
    "another root": (b"<settings/>", "RTC_E_PROFILE_NO_PROVISION"),
    "no key": (profile(root='name="n"'), "RTC_E_PROFILE_NO_KEY"),
    "no name": (profile(root='key="k"'), "RTC_E_PROFILE_NO_NAME"),
    "an end without a zone": (
        profile(root='key="k" name="n" expires="2027-01-31T00:00:00"'),
        "RTC_E_INVALID_PROFILE",
    ),
    "an end that is no date": (
        profile(root='key="k" name="n" expires="soon"'),
        "RTC_E_INVALID_PROFILE",
    ),
    "no user": (profile(""), "RTC_E_PROFILE_NO_USER"),
    "two users": (profile(USER + USER), "RTC_E_PROFILE_NO_USER"),
    "a user without a URI": (profile("<user/>"), "RTC_E_PROFILE_NO_USER_URI"),
    "a password that is misread": (profile(user(password="a&amp;b")), "RTC_E_INVALID_PROFILE"),
    "no server": (f"<provision key='k' name='n'>{USER}</provision>".encode(),
                  "RTC_E_PROFILE_NO_SERVER"),
    "no address": (profile(USER, server(addr="")), "RTC_E_PROFILE_NO_SERVER_ADDRESS"),
    "no protocol": (profile(USER, server(protocol="")), "RTC_E_PROFILE_NO_SERVER_PROTOCOL"),
    "another protocol": (
        profile(USER, server(protocol="SCTP")),
        "RTC_E_PROFILE_INVALID_SERVER_PROTOCOL",
    ),
    "NTLM as auth of a server": (
        profile(USER, server(auth="ntlm")),
        "RTC_E_PROFILE_INVALID_SERVER_AUTHMETHOD",
    ),
    "an unknown allowed method": (
        profile(user(allowedauth="digest oauth")),
        "RTC_E_PROFILE_INVALID_SERVER_AUTHMETHOD",
    ),
    "another role": (
        profile(USER, server(role="gateway")),
        "RTC_E_PROFILE_INVALID_SERVER_ROLE",
    ),
    "two registrars": (
        profile(USER, server(role="registrar"), server(role="registrar")),
        "RTC_E_PROFILE_MULTIPLE_REGISTRARS",
    ),
    "another party": (
        profile(USER, hosting('party="second" type="im"')),
        "RTC_E_PROFILE_INVALID_SESSION_PARTY",
    ),
    "another session type": (
        profile(USER, hosting('party="first" type="fax"')),
        "RTC_E_PROFILE_INVALID_SESSION_TYPE",
    ),
    "phone-phone of the first party": (
        profile(USER, hosting('party="first" type="ph2ph"')),
        "RTC_E_PROFILE_INVALID_SESSION_PARTY",
    ),
    "phone-phone without TLS": (
        profile(USER, hosting('party="third" type="ph2ph"', protocol="TCP")),
        "RTC_E_PROFILE_INVALID_SESSION",
    ),
    "phone-phone at the registrar": (
        profile(USER, hosting('party="third" type="ph2ph"', role="registrar")),
        "RTC_E_PROFILE_INVALID_SESSION",
    ),
    "basic over TCP": (
        profile(user(realm="r"), server(auth="basic", protocol="TCP")),
        "RTC_E_BASIC_AUTH_SET_TLS",
    ),
    "basic allowed beside a TCP server": (
        profile(user(realm="r", allowedauth="basic"), server(), server(protocol="TCP")),
        "RTC_E_BASIC_AUTH_SET_TLS",
    ),
    "basic without a realm": (profile(USER, server(auth="basic")), "RTC_E_NO_REALM"),
    "NTLM beside a UDP server": (
        profile(user(allowedauth="digest ntlm"), server(), server(protocol="UDP")),
        "RTC_E_UDP_NOT_SUPPORTED",
    ),
    "Kerberos beside a UDP server": (
        profile(user(allowedauth="kerberos"), server(protocol="UDP")),
        "RTC_E_UDP_NOT_SUPPORTED",
    ),
    "a server outside the authorised domain": (
        profile(USER + '<accesscontrol domain="example.org" sig="s"/>'),
        "RTC_E_PROFILE_SERVER_UNAUTHORIZED",
    ),
    "a server in a domain that only ends alike": (
        profile(
            USER + '<accesscontrol domain="example.com" sig="s"/>',
            server(addr="sip.evilexample.com"),
        ),
        "RTC_E_PROFILE_SERVER_UNAUTHORIZED",
    ),
    "an attribute that the schema does not know": (
        profile(root='key="k" name="n" colour="red"'),
        "RTC_E_INVALID_PROFILE",
    ),
    "a URI that is none": (profile('<user uri="sip:ann"/>'), "RTC_E_INVALID_PROFILE"),
    "too long a document": (b" " * (MAX_DOCUMENT + 1), "RTC_E_INVALID_PROFILE"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "name"), BROKEN.values(), ids=BROKEN)
def test_a_broken_profile_gets_the_apis_own_error(document: bytes, name: str) -> None:
    assert names(document) == [name]


SOUND = {
    "the smallest": profile(),
    "child order is free": profile("", server(), USER),
    "a URI without its scheme": profile('<user uri="ann@example.com"/>'),
    "a protocol in lower case": profile(USER, server(protocol="tls")),
    "basic over TLS with a realm": profile(user(realm="r"), server(auth="basic")),
    "allowedauth overrides basic": profile(
        user(allowedauth="digest"), server(auth="basic", protocol="TCP")
    ),
    "digest over UDP": profile(user(allowedauth="digest"), server(protocol="UDP")),
    "NTLM over TCP": profile(user(allowedauth="ntlm"), server(protocol="TCP")),
    "phone-phone at a TLS proxy": profile(USER, hosting('party="third" type="ph2ph"')),
    "a server below the authorised domain": profile(
        USER + '<accesscontrol domain="Example.com" sig="s"/>'
    ),
    "client and provider with data": profile(
        '<client name="c" banner="true" minver="1.2"><data>x<y/></data></client>'
        '<provider name="p"><data>policy=7</data></provider>' + USER
    ),
}


@pytest.mark.parametrize("document", SOUND.values(), ids=SOUND)
def test_a_sound_profile_has_no_findings(document: bytes) -> None:
    assert validate(document) == []


def test_a_udp_registrar_is_accepted_with_a_restriction() -> None:
    (finding,) = validate(profile(USER, server(role="registrar", protocol="UDP")))
    assert finding.name == "RTC_S_ROAMING_NOT_SUPPORTED"
    assert not finding.refused


def test_a_finding_reads_as_a_sentence_with_the_apis_name_and_code() -> None:
    finding = Finding("RTC_E_NO_REALM", "Basic authentication needs the user's realm.")
    assert str(finding) == (
        "Basic authentication needs the user's realm. (RTC_E_NO_REALM, 0x80EE0056)"
    )


def test_several_faults_are_all_named() -> None:
    assert names(b"<provision/>") == [
        "RTC_E_PROFILE_NO_KEY",
        "RTC_E_PROFILE_NO_NAME",
        "RTC_E_PROFILE_NO_USER",
        "RTC_E_PROFILE_NO_SERVER",
    ]


def test_entities_are_never_expanded() -> None:
    declared = b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    document = declared + b"<provision>&x;</provision>"
    assert names(document) == ["RTC_E_MALFORMED_XML"]
    assert "root" not in str(validate(document))


def test_a_finding_never_quotes_the_password() -> None:
    shown = " ".join(map(str, validate(profile(user(password="hunter2&lt;", colour="red")))))
    assert "hunter2" not in shown


def test_every_rule_of_the_table_has_a_broken_document() -> None:
    covered = {name for _, name in BROKEN.values()} | {"RTC_S_ROAMING_NOT_SUPPORTED"}
    assert covered == set(CODES)
