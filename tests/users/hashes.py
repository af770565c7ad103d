"""A hash of each kind that people bring along, as cheap as its kind allows."""

import base64
import hashlib
import hmac

import bcrypt
from passlib import hash as schemes
from tests.people import PASSWORD
from werkzeug.security import generate_password_hash

CHEAPEST = 4


def of_bcrypt(password: str | bytes, prefix: str = "$2b$") -> str:
    raw = password.encode() if isinstance(password, str) else password
    made = bcrypt.hashpw(raw, bcrypt.gensalt(CHEAPEST)).decode()
    return prefix + made.removeprefix("$2b$")


def of_argon2(password: str, variant: str = "ID") -> str:
    made: str = schemes.argon2.using(type=variant, memory_cost=64, rounds=1, parallelism=1).hash(password)
    return made


def of_passlib(scheme: str, password: str, **costs: object) -> str:
    made: str = getattr(schemes, scheme).using(**costs).hash(password)
    return made


def of_django_scrypt(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=1024, r=8, p=1, dklen=64)
    return f"scrypt$1024$seasalt$8$1${base64.b64encode(digest).decode()}"


def of_wordpress(password: str) -> str:
    """As WordPress 6.8 makes it."""
    digest = hmac.digest(b"wp-sha384", password.strip().encode(), "sha384")
    return "$wp" + of_bcrypt(base64.b64encode(digest), "$2y$")


def made_of(password: str) -> dict[str, tuple[str, str]]:
    """What each is, the kind that it is to be called, and the hash."""
    return {
        "argon2id": ("argon2", of_argon2(password)),
        "argon2i": ("argon2", of_argon2(password, "I")),
        "argon2d": ("argon2", of_argon2(password, "D")),
        "bcrypt 2a": ("bcrypt", of_bcrypt(password, "$2a$")),
        "bcrypt 2b": ("bcrypt", of_bcrypt(password, "$2b$")),
        "bcrypt 2y": ("bcrypt", of_bcrypt(password, "$2y$")),
        "bcrypt-sha256": ("bcrypt-sha256", of_passlib("bcrypt_sha256", password, rounds=CHEAPEST)),
        "older bcrypt-sha256": ("bcrypt-sha256", of_passlib("bcrypt_sha256", password, rounds=CHEAPEST, version=1)),
        "pbkdf2": ("pbkdf2-sha1", of_passlib("pbkdf2_sha1", password, rounds=9)),
        "pbkdf2-sha256": ("pbkdf2-sha256", of_passlib("pbkdf2_sha256", password, rounds=9)),
        "pbkdf2-sha512": ("pbkdf2-sha512", of_passlib("pbkdf2_sha512", password, rounds=9)),
        "scrypt": ("scrypt", of_passlib("scrypt", password, rounds=4)),
        "phpass P": ("phpass", of_passlib("phpass", password, rounds=7)),
        "phpass H": ("phpass", of_passlib("phpass", password, rounds=7, ident="$H$")),
        "wordpress": ("wordpress bcrypt", of_wordpress(password)),
        "django pbkdf2_sha256": ("django pbkdf2-sha256", of_passlib("django_pbkdf2_sha256", password, rounds=9)),
        "django pbkdf2_sha1": ("django pbkdf2-sha1", of_passlib("django_pbkdf2_sha1", password, rounds=9)),
        "django argon2": ("django argon2", "argon2" + of_argon2(password)),
        "django older argon2": ("django argon2", "argon2" + of_argon2(password, "I")),
        "django bcrypt": ("django bcrypt", "bcrypt$" + of_bcrypt(password)),
        "django bcrypt_sha256": (
            "django bcrypt-sha256",
            "bcrypt_sha256$" + of_bcrypt(hashlib.sha256(password.encode()).hexdigest()),
        ),
        "django scrypt": ("django scrypt", of_django_scrypt(password)),
        "werkzeug scrypt": ("werkzeug scrypt", generate_password_hash(password, "scrypt:1024:8:1")),
        "werkzeug pbkdf2": ("werkzeug pbkdf2", generate_password_hash(password, "pbkdf2:sha256:9")),
    }


MADE = made_of(PASSWORD)
SAMPLES = {what: stored for what, (_kind, stored) in MADE.items()}
KINDS = {what: kind for what, (kind, _stored) in MADE.items()}
