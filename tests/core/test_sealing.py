"""Sealing of secrets: only the right key opens, only in the right place."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.sealing import Keyring, SealBroken

OLD, NEW = (b"old!", bytes(range(32))), (b"new!", bytes(range(32, 64)))
PLACE = "credential:7:secret"
RING = Keyring(dict([NEW, OLD]))


@given(st.text(), st.text(min_size=1))
def test_a_sealed_secret_opens_in_its_place(secret: str, place: str) -> None:
    assert RING.open(RING.seal(secret, place), place) == secret


def test_the_same_secret_never_seals_alike() -> None:
    assert RING.seal("hunter2", PLACE) != RING.seal("hunter2", PLACE)


def test_a_copied_secret_does_not_open_elsewhere() -> None:
    with pytest.raises(SealBroken, match="does not belong where it was found"):
        RING.open(RING.seal("hunter2", PLACE), "credential:8:secret")


def test_an_edited_byte_is_noticed_wherever_it_is() -> None:
    sealed = RING.seal("hunter2", PLACE)
    for at in range(len(sealed)):
        edited = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealBroken):
            RING.open(edited, PLACE)


@pytest.mark.parametrize("length", [0, 3, 4, 8, 16, 20, 31])
def test_a_value_cut_short_is_broken_and_nothing_worse(length: int) -> None:
    with pytest.raises(SealBroken):
        RING.open(RING.seal("hunter2", PLACE)[:length], PLACE)


def test_a_key_that_is_gone_is_named_as_the_reason() -> None:
    sealed = Keyring(dict([OLD])).seal("hunter2", PLACE)
    with pytest.raises(SealBroken, match="with a key this console does not have"):
        Keyring(dict([NEW])).open(sealed, PLACE)


def test_after_a_rotation_the_old_secrets_open_and_new_ones_use_the_new_key() -> None:
    sealed = Keyring(dict([OLD])).seal("hunter2", PLACE)
    assert RING.open(sealed, PLACE) == "hunter2"
    assert not RING.is_current(sealed)
    assert RING.is_current(RING.seal("hunter2", PLACE))


def test_a_ring_shows_neither_its_keys_nor_their_ids() -> None:
    shown = repr(Keyring({b"abcd": os.urandom(32)}))
    assert shown == "<Keyring of 1 keys>"


@pytest.mark.parametrize(
    "keys", [{}, {b"abc": bytes(32)}, {b"abcde": bytes(32)}, {b"abcd": bytes(16)}]
)
def test_a_ring_without_proper_keys_cannot_be_made(keys: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        Keyring(keys)


def test_no_error_shows_the_secret() -> None:
    with pytest.raises(SealBroken) as error:
        RING.open(RING.seal("hunter2", PLACE), "elsewhere")
    assert "hunter2" not in repr(error.value)
