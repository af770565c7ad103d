"""A hash of each scheme that an import may contain, with the lowest cost that the scheme allows."""

import base64
import hashlib
import hmac

import bcrypt
from passlib import hash as schemes
from tests.support.users import PASSWORD
from werkzeug.security import generate_password_hash

BCRYPT_ROUNDS = 4


def hash_bcrypt(password: str | bytes, prefix: str = "$2b$") -> str:
    raw = password.encode() if isinstance(password, str) else password
    hashed = bcrypt.hashpw(raw, bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    return prefix + hashed.removeprefix("$2b$")


def hash_argon2(password: str, variant: str = "ID") -> str:
    hashed: str = schemes.argon2.using(type=variant, memory_cost=64, rounds=1, parallelism=1).hash(password)
    return hashed


def hash_passlib(scheme: str, password: str, **costs: object) -> str:
    hashed: str = getattr(schemes, scheme).using(**costs).hash(password)
    return hashed


def hash_django_scrypt(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=1024, r=8, p=1, dklen=64)
    return f"scrypt$1024$seasalt$8$1${base64.b64encode(digest).decode()}"


def hash_wordpress(password: str) -> str:
    """Hash a password as WordPress 6.8 does."""
    digest = hmac.digest(b"wp-sha384", password.strip().encode(), "sha384")
    return "$wp" + hash_bcrypt(base64.b64encode(digest), "$2y$")


def make_samples(password: str) -> dict[str, tuple[str, str]]:
    """Return for each sample the name of its scheme and the hash."""
    return {
        "argon2id": ("argon2", hash_argon2(password)),
        "argon2i": ("argon2", hash_argon2(password, "I")),
        "argon2d": ("argon2", hash_argon2(password, "D")),
        "bcrypt 2a": ("bcrypt", hash_bcrypt(password, "$2a$")),
        "bcrypt 2b": ("bcrypt", hash_bcrypt(password, "$2b$")),
        "bcrypt 2y": ("bcrypt", hash_bcrypt(password, "$2y$")),
        "bcrypt-sha256": ("bcrypt-sha256", hash_passlib("bcrypt_sha256", password, rounds=BCRYPT_ROUNDS)),
        "older bcrypt-sha256": (
            "bcrypt-sha256",
            hash_passlib("bcrypt_sha256", password, rounds=BCRYPT_ROUNDS, version=1),
        ),
        "pbkdf2": ("pbkdf2-sha1", hash_passlib("pbkdf2_sha1", password, rounds=9)),
        "pbkdf2-sha256": ("pbkdf2-sha256", hash_passlib("pbkdf2_sha256", password, rounds=9)),
        "pbkdf2-sha512": ("pbkdf2-sha512", hash_passlib("pbkdf2_sha512", password, rounds=9)),
        "scrypt": ("scrypt", hash_passlib("scrypt", password, rounds=4)),
        "phpass P": ("phpass", hash_passlib("phpass", password, rounds=7)),
        "phpass H": ("phpass", hash_passlib("phpass", password, rounds=7, ident="$H$")),
        "wordpress": ("wordpress bcrypt", hash_wordpress(password)),
        "django pbkdf2_sha256": ("django pbkdf2-sha256", hash_passlib("django_pbkdf2_sha256", password, rounds=9)),
        "django pbkdf2_sha1": ("django pbkdf2-sha1", hash_passlib("django_pbkdf2_sha1", password, rounds=9)),
        "django argon2": ("django argon2", "argon2" + hash_argon2(password)),
        "django older argon2": ("django argon2", "argon2" + hash_argon2(password, "I")),
        "django bcrypt": ("django bcrypt", "bcrypt$" + hash_bcrypt(password)),
        "django bcrypt_sha256": (
            "django bcrypt-sha256",
            "bcrypt_sha256$" + hash_bcrypt(hashlib.sha256(password.encode()).hexdigest()),
        ),
        "django scrypt": ("django scrypt", hash_django_scrypt(password)),
        "werkzeug scrypt": ("werkzeug scrypt", generate_password_hash(password, "scrypt:1024:8:1")),
        "werkzeug pbkdf2": ("werkzeug pbkdf2", generate_password_hash(password, "pbkdf2:sha256:9")),
    }


SAMPLES_WITH_SCHEME = make_samples(PASSWORD)
SAMPLES = {sample: hashed for sample, (_scheme, hashed) in SAMPLES_WITH_SCHEME.items()}
SCHEMES = {sample: scheme for sample, (scheme, _hashed) in SAMPLES_WITH_SCHEME.items()}
