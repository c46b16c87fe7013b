"""The lab's certificate authority and the certificates it gives to servers."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.state import write_private

HOSTS = ("localhost", "*.rtc.test")
ADDRESSES = ("127.0.0.1",)
CA_LIFE, LEAF_LIFE = timedelta(days=3650), timedelta(days=365)
# Clocks of two machines, and of one machine before and after a correction, differ.
LEEWAY = timedelta(hours=1)


@dataclass(frozen=True)
class Leaf:
    """Paths of a server's certificate (PEM) and of its private key (PEM, 0600)."""

    certificate: Path
    key: Path


class Authority:
    """A CA in a directory: made at first use, reused ever after."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.certificate = directory / "ca.pem"
        self._key_file = directory / "ca.key"
        if not (self.certificate.exists() and self._key_file.exists()):
            self._create()

    def leaf(self, name: str, *, hosts: Iterable[str] = (), addresses: Iterable[str] = ()) -> Leaf:
        """The certificate called `name`, for localhost, *.rtc.test, 127.0.0.1 and the given."""
        leaf = Leaf(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        wanted: list[x509.GeneralName] = [x509.DNSName(host) for host in (*HOSTS, *hosts)]
        wanted += [x509.IPAddress(ip_address(one)) for one in (*ADDRESSES, *addresses)]
        if not self._serves(leaf, wanted):
            self._issue(leaf, name, wanted)
        return leaf

    def _serves(self, leaf: Leaf, wanted: list[x509.GeneralName]) -> bool:
        if not (leaf.certificate.exists() and leaf.key.exists()):
            return False
        held = x509.load_pem_x509_certificate(leaf.certificate.read_bytes())
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        lasting = held.not_valid_after_utc > datetime.now(UTC) + LEEWAY
        return lasting and list(names) == wanted

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("rtcadmin lab CA")
        certificate = (
            _certificate(name, name, key.public_key(), CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        _write_key(self._key_file, key)
        _write_certificate(self.certificate, certificate)

    def _issue(self, leaf: Leaf, name: str, names: list[x509.GeneralName]) -> None:
        ca_key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file} holds no key of this CA")
        ca = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            _certificate(_name(name), ca.subject, key.public_key(), LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _write_key(leaf.key, key)
        _write_certificate(leaf.certificate, certificate)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LEEWAY)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(file, pem.decode())


def _write_certificate(file: Path, certificate: x509.Certificate) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    draft.replace(file)
