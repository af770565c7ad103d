"""Server certificates for tests, each with its own certificate authority."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_KEY_USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Certificate:
    """A certificate for these host names. `Certificate(valid_for=timedelta(days=-1))` has expired."""

    names: tuple[str, ...] = ("127.0.0.1", "localhost")
    valid_for: timedelta = timedelta(days=1)
    _authority_key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key, repr=False)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=_new_key, repr=False)

    @property
    def ca_pem(self) -> str:
        """The certificate of the authority, for clients, as PEM."""
        return self._authority.public_bytes(Encoding.PEM).decode()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            self.write(file)
            context.load_cert_chain(file)
        return context

    def write(self, file: Path) -> None:
        """Write the key and the certificate to one PEM file, for servers that read them from there."""
        file.write_bytes(self._key_and_leaf())

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.ca_pem)

    @cached_property
    def _authority(self) -> x509.Certificate:
        key = self._authority_key
        builder = (
            _builder("Test authority", "Test authority", key, timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(CA_KEY_USAGE, critical=True)
        )
        return builder.sign(key, hashes.SHA256())

    def _key_and_leaf(self) -> bytes:
        builder = (
            _builder(self.names[0], "Test authority", self._key, self.valid_for)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in self.names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority_key.public_key()), critical=False
            )
        )
        leaf = builder.sign(self._authority_key, hashes.SHA256())
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + leaf.public_bytes(Encoding.PEM)


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, valid_for: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_x509_name(subject))
        .issuer_name(_x509_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _x509_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
