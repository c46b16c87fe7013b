"""Which value counts: the order of scopes, the rank of groups, what is beaten, what conflicts."""

import itertools

import pytest

from provisioning.core.settings.catalogue import CATALOGUE, conflicts, settings_at
from provisioning.core.settings.resolver import Given, resolve
from provisioning.core.settings.setting import Family, SettingScope
from provisioning.core.settings.types import Value

DEVICES = CATALOGUE["max_devices"]
S = SettingScope


def test_without_a_value_the_default_counts_and_nothing_is_beaten() -> None:
    effective = resolve(DEVICES, ())
    assert (effective.value, effective.source, effective.beaten) == (10, None, ())
    assert effective.origin == "default"


def test_account_beats_groups_beat_pool_beats_site_beats_domain_beats_everywhere() -> None:
    order = [
        Given(6, S.ACCOUNT, "ann@example.com"),
        Given(5, S.GROUP, "Sales", rank=1),
        Given(4, S.GROUP, "Everybody", rank=2),
        Given(3, S.POOL, "Berlin"),
        Given(2, S.SITE, "Berlin"),
        Given(1, S.DOMAIN, "example.com"),
        Given(9, S.GLOBAL),
        Given(8, None, "Standard"),
    ]
    for start in range(len(order)):
        for given in (order[start:], order[start:][::-1]):
            effective = resolve(DEVICES, given)
            assert effective.source == order[start]
            assert effective.beaten == tuple(order[start + 1 :])


def test_every_order_of_what_is_given_has_the_same_winner() -> None:
    given = [Given(1, S.GLOBAL), Given(2, S.POOL, "B"), Given(3, S.GROUP, "A", 2)]
    given.append(Given(4, S.GROUP, "C", 1))
    winners = {resolve(DEVICES, each).value for each in itertools.permutations(given)}
    assert winners == {4}


def test_a_scope_that_the_setting_has_not_does_not_count() -> None:
    shortest = CATALOGUE["min_expires"]
    given = [Given(30, S.ACCOUNT, "x"), Given(90, S.SERVER, "sip1"), Given(120, S.POOL, "B")]
    effective = resolve(shortest, given)
    assert (effective.value, effective.origin) == (90, "SIP server sip1")
    assert [each.value for each in effective.beaten] == [120]


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        (Given(1, S.GLOBAL), "everywhere"),
        (Given(1, S.POOL, "Berlin"), "pool Berlin"),
        (Given(1, S.DOMAIN, "example.com"), "SIP domain example.com"),
        (Given(1, None, "Standard"), "client profile Standard"),
    ],
)
def test_an_origin_is_told_in_words(given: Given, origin: str) -> None:
    assert given.origin == origin


def test_only_server_settings_can_be_given_at_a_server() -> None:
    assert {each.family for each in settings_at(S.SERVER)} == {Family.SERVER}
    assert Family.SERVER not in {each.family for each in settings_at(S.GROUP)}
    assert {each.family for each in settings_at(S.POOL)} == set(Family)


def test_less_of_what_serves_takes_service_away_and_more_does_not() -> None:
    assert DEVICES.takes_away(3, 2)
    assert not DEVICES.takes_away(2, 3)
    assert CATALOGUE["messaging"].takes_away(True, False)
    assert not CATALOGUE["min_expires"].takes_away(60, 30)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"min_expires": 7200}, "longer than “Registration without a wish”"),
        ({"default_expires": 7200}, "longer than “Longest registration”"),
        ({"nat_traversal": "ice"}, "needs a STUN server"),
        (
            {"federation_partners": ("a.example",), "federation_blocked": ("a.example",)},
            "a.example is a federation partner and blocked",
        ),
    ],
)
def test_values_that_cannot_hold_together_are_told_with_the_reason(
    values: dict[str, Value], reason: str
) -> None:
    (said,) = conflicts(values)
    assert reason in said
    assert not conflicts({})
