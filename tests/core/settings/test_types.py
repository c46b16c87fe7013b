"""Types of settings: what they take, what they refuse and why, how they show it."""

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.settings import texts
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Setting
from provisioning.core.settings.types import AnyOf, Choice, Duration, Integer, Several, Switch, Text


@pytest.mark.parametrize("setting", CATALOGUE.values(), ids=lambda each: each.key)
def test_the_default_of_every_setting_fits_its_type_and_can_be_typed_in_as_it_is_written(
    setting: Setting,
) -> None:
    assert setting.type.check(setting.default) == setting.default
    assert setting.type.read(setting.type.write(setting.default)) == setting.default
    assert setting.type.show(setting.default)
    assert setting.key.isidentifier()
    assert setting.key == setting.key.lower()[:32]


def test_a_switch_reads_words_and_refuses_numbers_that_are_no_truth_values() -> None:
    assert Switch().read(" Yes ") is True
    assert Switch().read("off") is False
    with pytest.raises(InvalidInput, match="on or off"):
        Switch().read("perhaps")
    with pytest.raises(InvalidInput):
        Switch().check(1)


def test_an_integer_keeps_to_its_bounds_and_knows_its_zero() -> None:
    limit = Integer(256, 65_000, "bytes", zero="no limit")
    assert limit.read("1,300") == 1300
    assert limit.read("0") == 0
    assert limit.show(0) == "No limit"
    assert limit.show(1300) == "1,300 bytes"
    for wrong in ("255", "65001", "-1", "", "ten", "\uff11\uff10", "9" * 40):
        with pytest.raises(InvalidInput, match="256 to 65,000 bytes; 0: no limit"):
            limit.read(wrong)
    with pytest.raises(InvalidInput):
        limit.check(True)


def test_a_duration_is_typed_with_a_unit_and_shown_in_the_largest_that_is_whole() -> None:
    lasts = Duration(1, 86_400)
    assert [lasts.read(text) for text in ("90", "90 s", "15min", "2 h", "1 d")] == [
        90, 90, 900, 7200, 86_400,
    ]  # fmt: skip
    assert [lasts.show(value) for value in (90, 900, 7200, 86_400)] == [
        "90 s", "15 min", "2 h", "1 d",
    ]  # fmt: skip
    for wrong in ("0", "2 d", "5 weeks", "1.5 h", ""):
        with pytest.raises(InvalidInput, match="1 s to 1 d"):
            lasts.read(wrong)


def test_a_choice_takes_its_words_only() -> None:
    media = Choice((("none", "None"), ("required", "Required")))
    assert media.read("none") == "none"
    with pytest.raises(InvalidInput, match="one of none, required"):
        media.read("maybe")


def test_any_of_some_words_keep_their_order_and_are_shown_by_their_labels() -> None:
    some = AnyOf((("home", "Home"), ("far_away", "Far away")), every="Anywhere", none="Nowhere")
    assert some.read("FAR_AWAY, home home") == ("home", "far_away")
    assert some.check(["far_away"]) == ("far_away",)
    assert [some.show(each) for each in (("home", "far_away"), ("far_away",), ())] == [
        "Anywhere", "Far away", "Nowhere",
    ]  # fmt: skip
    assert some.write(("home", "far_away")) == "home, far_away"
    for wrong in ("moon", ["home", 1], 7):
        with pytest.raises(InvalidInput, match="does not fit: any of home, far_away"):
            some.check(wrong)


def test_a_text_is_brought_to_its_form_and_may_be_none() -> None:
    edge = Text(texts.host_and_port, "a host with its port")
    assert edge.read("Edge.Example.com:5061") == "edge.example.com:5061"
    assert edge.read("[FD00::1]:5061") == "[fd00::1]:5061"
    assert edge.read("") == ""
    assert edge.show("") == "None"
    for wrong in ("edge.example.com", "edge:0", "edge:99999", "e dge:1", "a\nb:1"):
        with pytest.raises(InvalidInput):
            edge.read(wrong)


def test_several_texts_keep_their_order_come_once_and_fit_into_what_servers_hold() -> None:
    networks = Several(texts.network, "networks")
    assert networks.read("10.0.0.0/8, fd00::/8\n10.0.0.0/8") == ("10.0.0.0/8", "fd00::/8")
    assert networks.check(["10.0.0.0/8"]) == ("10.0.0.0/8",)
    assert networks.read("") == ()
    with pytest.raises(InvalidInput, match="no bit set behind"):
        networks.read("10.1.0.0/8")
    with pytest.raises(InvalidInput, match="servers hold 128"):
        networks.read(" ".join(f"10.{n}.0.0/16" for n in range(20)))


@pytest.mark.parametrize("wrong", ["ftp://example.com", "https://", "javascript:alert(1)"])
def test_a_web_address_is_one(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="not a web address"):
        texts.web_address(wrong)


@pytest.mark.parametrize("wrong", ["meet", "sips:meet@example.com", "sip:@example.com"])
def test_a_sip_address_is_one(wrong: str) -> None:
    with pytest.raises(InvalidInput):
        texts.sip_address(wrong)
    assert texts.sip_address("Meet@Example.com") == "sip:meet@example.com"


def test_calls_go_to_a_number_or_to_a_sip_uri_with_or_without_its_scheme() -> None:
    assert texts.call_target("+44 20 7946 0000") == "+442079460000"
    assert texts.call_target("desk@example.com") == texts.call_target("sip:desk@example.com")
    for wrong in ("nonsense", "020 7946 0000", "sip:desk"):
        with pytest.raises(InvalidInput, match="neither a number with its country code"):
            texts.call_target(wrong)
