"""Certificates as values: an authority signs, the caller gives the time and keeps the files (RFC 5280)."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vehicle.errors import PkiError

BACKDATED: Final = timedelta(hours=1)
"""Everything is valid since an hour before it was made: clocks of vehicles and brokers are behind."""
_SECOND: Final = timedelta(seconds=1)


class Kind(StrEnum):
    """Whom a certificate is for."""

    VEHICLE = "vehicle"
    SERVICE = "service"
    """One of ours: `ingest`, `simulator`."""
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key."""

    name: str
    """Common name: the VIN, the service, the first name of the server."""
    kind: Kind
    serial: str
    """Hexadecimal, as `openssl x509 -serial` prints it."""
    not_before: datetime
    not_after: datetime
    certificate_pem: str
    key_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a revocation list."""

    serial: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority with its key."""

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls, name: str, *, now: datetime, days: int) -> "Authority":
        """A fresh self-signed authority on curve P-256 that may sign end certificates and nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _dated(subject, now, now + timedelta(days=days)).issuer_name(subject)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            builder.public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate_pem: str, key_pem: str) -> "Authority":
        """Read an authority again. Raises `PkiError`."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
            key = load_pem_private_key(key_pem.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise PkiError(f"the authority's PEM files cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise PkiError("the authority's key is not that of its certificate")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> str:
        """What clients and the broker trust."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The authority's own key: PKCS 8, without a password."""
        return _pem(self._key)

    @property
    def not_after(self) -> datetime:
        """Nothing it signs outlives it."""
        return self.certificate.not_valid_after_utc

    def issue(
        self, name: str, kind: Kind, *, now: datetime, days: int, hosts: Sequence[str] = ()
    ) -> Credential:
        """A fresh key on P-256 with a certificate for `name`; `hosts`: DNS names and addresses of a server.

        Raises `PkiError` where it would outlive the authority.
        """
        until = (now + timedelta(days=days)).replace(microsecond=0)
        if until > self.not_after:
            last = (self.not_after - now).days
            raise PkiError(
                f"{days} days go beyond the authority, which ends {self.not_after:%Y-%m-%d}: at most {last}"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if kind is Kind.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _dated(subject, now, until)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(authority, critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credential(
            name=name,
            kind=kind,
            serial=f"{certificate.serial_number:040X}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
            key_pem=_pem(key),
        )

    def revocation_list(self, revoked: Sequence[Revoked], *, now: datetime, before: str | None = None) -> str:
        """The list as PEM; `before` is the one it takes the place of.

        It is in force as long as the authority: an outdated list would lock every vehicle out. Its moment
        is backdated, and rises by a second at least: of two lists of one second a broker that reads them
        again goes on with the older one.
        """
        moment = (now - BACKDATED).replace(microsecond=0)
        if before is not None:
            last = x509.load_pem_x509_crl(before.encode()).last_update_utc
            moment = max(moment, last + _SECOND)
        if moment > now:
            raise PkiError("more than 3600 revocation lists within an hour: revoke many at once")
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(moment)
            .next_update(self.not_after)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16))
            builder = builder.add_revoked_certificate(entry.revocation_date(one.at).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def serials(revocation_list: str) -> set[str]:
    """Serial numbers on a list. Raises `PkiError` where it is none."""
    try:
        return {f"{one.serial_number:040X}" for one in x509.load_pem_x509_crl(revocation_list.encode())}
    except ValueError as error:
        raise PkiError(f"the list of revocations is no PEM: {error}") from error


def _dated(subject: x509.Name, now: datetime, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    """A subject alternative name. Raises `PkiError` for what is no DNS name and no address."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    labels = host.split(".")
    if len(host) > 253 or not all(
        0 < len(label) < 64 and label.isascii() and label.replace("-", "").isalnum() for label in labels
    ):
        raise PkiError(f"a server's name is a DNS name or an address, got {host!r}")
    return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
