"""Sealing of secrets at rest: AES-256-GCM with a key id and associated data."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from provisioning.core.errors import ProvisioningError

_NONCE = 12
_KEY_ID = 4
_KEY = 32
TAG = 16
"""Bytes at the end of a sealed value, which depend on all of it, and on its place and key."""


class SealBroken(ProvisioningError):
    """A sealed value cannot be opened: its key is missing, or it was moved or edited."""


class Keyring:
    """The keys that seal and open secrets; the first one seals.

    `keys` maps a 4-byte key id to a 32-byte key. A sealed value is key id (4 bytes), nonce (12),
    ciphertext and tag (16). The associated data binds a value to its place (`model:id:field`), so a
    copied row does not open.
    """

    def __init__(self, keys: Mapping[bytes, bytes]) -> None:
        if not keys:
            raise ValueError("a keyring needs a key")
        if any(len(key_id) != _KEY_ID or len(key) != _KEY for key_id, key in keys.items()):
            raise ValueError(f"a key is {_KEY} bytes and its id {_KEY_ID}")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._sealing_id = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)} keys>"

    def seal(self, secret: str, place: str) -> bytes:
        """`secret` sealed for `place`."""
        nonce = os.urandom(_NONCE)
        key = self._keys[self._sealing_id]
        return self._sealing_id + nonce + key.encrypt(nonce, secret.encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> str:
        """The secret in `sealed`; raises SealBroken when it was not sealed here for `place`."""
        key = self._keys.get(sealed[:_KEY_ID])
        if key is None:
            raise SealBroken("A stored secret was sealed with a key this console does not have.")
        nonce, body = sealed[_KEY_ID : _KEY_ID + _NONCE], sealed[_KEY_ID + _NONCE :]
        try:
            return key.decrypt(nonce, body, place.encode()).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise SealBroken("A stored secret does not belong where it was found.") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether `sealed` was made with the key that seals today."""
        return sealed[:_KEY_ID] == self._sealing_id
