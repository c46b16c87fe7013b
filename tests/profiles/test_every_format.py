"""What holds for every client profile format."""

from dataclasses import replace

import pytest
from hypothesis import given

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener
from provisioning.profiles.base import File
from provisioning.profiles.registry import RENDERERS
from tests.profiles.samples import (
    ACCOUNT,
    NAMES,
    SETTINGS,
    UNWRITABLE,
    WRITABLE,
    is_line,
    named,
)

formats = pytest.mark.parametrize("name", sorted(RENDERERS))


@formats
@pytest.mark.parametrize("display_name", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_name_with_a_line_break_or_control_is_refused(name: str, display_name: str) -> None:
    with pytest.raises(InvalidInput, match="line break or a control"):
        RENDERERS[name].render(SETTINGS, named(display_name))


@formats
@pytest.mark.parametrize("display_name", WRITABLE.values(), ids=WRITABLE)
def test_an_odd_but_harmless_name_is_written(name: str, display_name: str) -> None:
    assert RENDERERS[name].render(SETTINGS, named(display_name))[0].content.decode()


@formats
@given(display_name=NAMES)
def test_no_name_adds_a_line_to_a_document(name: str, display_name: str) -> None:
    plain = _lines(RENDERERS[name].render(SETTINGS, named("Ann")))
    if is_line(display_name):
        assert _lines(RENDERERS[name].render(SETTINGS, named(display_name))) == plain
    else:
        with pytest.raises(InvalidInput):
            RENDERERS[name].render(SETTINGS, named(display_name))


@formats
@pytest.mark.parametrize("field", ["user", "domain", "auth_user", "secret"])
def test_no_other_value_smuggles_a_line_in(name: str, field: str) -> None:
    account = replace(ACCOUNT, ha1=None, **{field: "x\nauth_pass=y"})
    with pytest.raises(InvalidInput):
        RENDERERS[name].render(SETTINGS, account)


@formats
@pytest.mark.parametrize("user", ["a b", "a@b", "a;transport=udp", "a>b", "a%0d", "", "ann#1"])
def test_a_user_part_that_leaves_its_place_is_refused(name: str, user: str) -> None:
    with pytest.raises(InvalidInput, match="user part"):
        RENDERERS[name].render(SETTINGS, replace(ACCOUNT, user=user))


@formats
@pytest.mark.parametrize("host", ["", "a b", "host;transport=udp", "host\nx", "a/../b", "[zz::1]"])
def test_a_listener_without_a_real_host_is_refused(name: str, host: str) -> None:
    settings = replace(SETTINGS, listeners=(Listener(host, 5061, "tls"),))
    with pytest.raises(InvalidInput, match="not a domain name"):
        RENDERERS[name].render(settings, ACCOUNT)


@formats
@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_listener_without_a_real_port_is_refused(name: str, port: int) -> None:
    settings = replace(SETTINGS, listeners=(Listener("sip.example.com", port, "tls"),))
    with pytest.raises(InvalidInput, match="not a port"):
        RENDERERS[name].render(settings, ACCOUNT)


@formats
def test_a_profile_without_listeners_says_what_to_do(name: str) -> None:
    with pytest.raises(InvalidInput, match="give their pool a SIP host"):
        RENDERERS[name].render(replace(SETTINGS, listeners=()), ACCOUNT)


@formats
def test_an_ipv6_listener_stands_in_brackets(name: str) -> None:
    settings = replace(SETTINGS, listeners=(Listener("2001:DB8::5", 5061, "tls"),))
    content = RENDERERS[name].render(settings, ACCOUNT)[0].content
    assert b"[2001:db8::5]:5061" in content


@formats
def test_file_names_tell_nothing_of_the_account(name: str) -> None:
    other = replace(ACCOUNT, user="someone", auth_user="someone", display_name="../../etc/passwd")
    names = [file.name for file in RENDERERS[name].render(SETTINGS, ACCOUNT)]
    assert names == [file.name for file in RENDERERS[name].render(SETTINGS, other)]
    assert all("/" not in each and "\\" not in each for each in names)


@formats
def test_neither_records_nor_files_show_a_secret(name: str) -> None:
    shown = repr(ACCOUNT) + repr(RENDERERS[name].render(SETTINGS, ACCOUNT))
    assert "Zq7-pw.example" not in shown
    assert "0123456789abcdef" not in shown


@formats
def test_an_error_never_quotes_the_secret(name: str) -> None:
    account = replace(ACCOUNT, secret='hunter2"\n', ha1="not-a-digest-hunter2")
    with pytest.raises(InvalidInput) as error:
        RENDERERS[name].render(SETTINGS, account)
    assert "hunter2" not in str(error.value)


def _lines(files: list[File]) -> list[int]:
    """How many lines each file has, counted as the most generous reader counts."""
    return [len(file.content.decode().splitlines()) for file in files]


@formats
def test_an_apostrophe_in_the_user_part_needs_no_escape(name: str) -> None:
    account = replace(ACCOUNT, user="sean.o'neil", auth_user="sean.o'neil")
    content = RENDERERS[name].render(SETTINGS, account)[0].content.decode()
    assert "sip:sean.o'neil@voice.example.com" in content
