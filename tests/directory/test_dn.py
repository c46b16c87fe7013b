"""Two spellings of one DN become equal, and different DNs stay different."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ldap.dn import dn2str, escape_dn_chars, str2dn

from provisioning.directory.dn import normalise_dn


@pytest.mark.parametrize(
    ("spelled", "same"),
    [
        ("CN=Ann Bee,OU=Staff,DC=corp", "cn=ann bee,ou=staff,dc=CORP"),
        ("CN=Ann Bee, OU=Staff , DC = corp", "cn=ann bee,ou=staff,dc=corp"),
        (r"CN=Smith\, John \"Jack\",DC=corp", r"cn=smith\2c john \22jack\22,dc=corp"),
        ('CN="Smith, John",DC=corp', r"cn=smith\, john,dc=corp"),
        (r"CN=Zo\C3\AB,DC=corp", "cn=zoë,dc=corp"),
        ("CN=Zoe\u0308,DC=corp", "cn=zoë,dc=corp"),
        ("CN=GROẞ,DC=corp", "cn=gross,dc=corp"),
        (r"CN=\20Leading Space,DC=corp", "cn=leading space,dc=corp"),
        ("CN=two  spaces,DC=corp", "cn=two spaces,dc=corp"),
        ("OU=Sales+CN=Ann,DC=corp", "cn=ann+ou=sales,dc=corp"),
        (r"CN=Plus\+Sign\=Equals,DC=corp", r"cn=plus\2bsign=equals,dc=corp"),
        (r"CN=\#Hash,DC=corp", "cn=#hash,dc=corp"),
    ],
)
def test_spellings_of_one_dn_are_equal(spelled: str, same: str) -> None:
    assert normalise_dn(spelled) == normalise_dn(same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"CN=a\,b,DC=corp", "CN=a,b=,DC=corp"),
        (r"CN=a\,OU=b,DC=corp", "CN=a,OU=b,DC=corp"),
        (r"CN=a\+B=c,DC=corp", "CN=a+B=c,DC=corp"),
        ("CN=a\N{FULLWIDTH COMMA}ou=b,DC=corp", "CN=a,OU=b,DC=corp"),
        ("CN=ab,DC=corp", "CN=a b,DC=corp"),
    ],
)
def test_different_dns_stay_different(one: str, other: str) -> None:
    assert normalise_dn(one) != normalise_dn(other)


VALUES = st.text(min_size=1, max_size=12).filter(lambda text: text.strip())


@given(st.lists(VALUES, min_size=1, max_size=4))
@example(["Smith, John", "a+b=c"])
def test_escaping_in_any_legal_way_does_not_matter(values: list[str]) -> None:
    plain = ",".join(f"ou={escape_dn_chars(value)}" for value in values)
    in_hexadecimal = ",".join(
        "OU=" + "".join(f"\\{byte:02x}" for byte in value.encode("utf-8", "replace"))
        for value in values
    )
    assert normalise_dn(plain) == normalise_dn(in_hexadecimal)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_normalising_twice_changes_nothing(values: list[str]) -> None:
    once = normalise_dn(",".join(f"ou={escape_dn_chars(value)}" for value in values))
    assert normalise_dn(once) == once


@given(st.text(max_size=30))
def test_no_text_at_all_makes_it_fail(text: str) -> None:
    normalise_dn(text)


ASCII = st.text("abcXYZ 019_-.'()#=", min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and "  " not in text and text[0] not in "#="
)


@given(st.lists(ASCII, min_size=1, max_size=4))
def test_the_short_cut_for_plain_dns_agrees_with_openldap_and_the_parser(values: list[str]) -> None:
    dn = ",".join(f"OU={value}" for value in values)
    assert [component[0][1] for component in str2dn(dn)] == values
    assert normalise_dn(dn) == normalise_dn(f" {dn2str(str2dn(dn))}")
