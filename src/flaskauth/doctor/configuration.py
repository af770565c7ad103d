"""Check the settings and the instance folder."""

import os
from collections.abc import Iterator
from dataclasses import replace

from pydantic import SecretStr

from flaskauth.core import context, crypto
from flaskauth.doctor import secret_files
from flaskauth.doctor.findings import CheckGroup, Finding, failed, ok, run_checks, warning
from flaskauth.settings import DEFAULT_ENV_FILES, Settings, find_env_file

GENERAL_ADVICE = "Correct it in the environment or in the file; .env.example lists the allowed values."
ADVICE = {
    "APP_NAME": "Set it to the name that users know.",
    "FLASK_TESTING": "Remove it, or set it to false.",
    "MAIL_USE_TLS": "Set MAIL_USE_TLS=true (port 587) or MAIL_USE_SSL=true (port 465).",
    "REFRESH_TOKEN_ROTATION": "Set it to true when no client keeps its first refresh token.",
    "RATE_LIMIT_FACTOR": "Set it to 1 after the load test.",
    "RATE_LIMIT_LOGIN_FAILURES": "Lower it. If all clients seem to have one address, set TRUSTED_PROXIES.",
    "RATE_LIMIT_MAIL": "Lower it. If all clients seem to have one address, set TRUSTED_PROXIES.",
    "SECOND_FACTOR_FROM": "Set SECOND_FACTOR=required, or remove the date.",
    "SECRET_KEY": "Set a new one: python -c 'import secrets; print(secrets.token_urlsafe(48))'."
    " If the database is in use, keep the old one in SECRET_KEY_FALLBACKS."
    " If it may be known to others, run flaskauth keys reset instead.",
}


def load_settings() -> tuple[Settings, list[str]]:
    """Return the settings that a server would load, and the messages about invalid ones.

    Invalid settings have their defaults, and an invalid SECRET_KEY is empty. Without SECRET_KEY, the secret is the one
    in the instance folder, or else a new one that is not stored.
    """
    settings, errors = Settings.load_with_errors()
    if settings.secret_key.get_secret_value() or "SECRET_KEY" in settings_named_in(errors):
        return settings, errors
    path = secret_files.stored_secret(settings)
    secret = path.read_text(encoding="utf-8") if path.exists() else crypto.base64url_encode(crypto.random_bytes(48))
    return settings.model_copy(update={"secret_key": SecretStr(secret)}), errors


def settings_named_in(messages: list[str]) -> set[str]:
    """Return the names of the settings with which the error or warning messages begin."""
    names = (name for message in messages for name in message.partition(":")[0].split(", "))
    return {name.removesuffix("_FILE") for name in names}


def check_values(settings: Settings, errors: list[str]) -> Iterator[Finding]:
    """Report every error, then the warnings about the other settings."""
    findings = [failed(error, _advice(error)) for error in errors]
    invalid = settings_named_in(errors)
    warnings = [message for message in settings.warnings() if not settings_named_in([message]) & invalid]
    findings += [warning(message, _advice(message)) for message in warnings]
    for finding in findings or [ok(f"valid: {settings.flaskauth_env}, {_source()}")]:
        yield replace(finding, check="settings")


def _source() -> str:
    """Return the source of the settings: a different working directory has a different .env."""
    path = find_env_file(os.environ)
    if path is None:
        return f"from the environment; {DEFAULT_ENV_FILES[0].absolute()} does not exist"
    return f"from the environment and {path.absolute()}"


def _advice(message: str) -> str:
    return ADVICE.get(message.partition(":")[0], GENERAL_ADVICE)


def _check_instance_path() -> Finding:
    """Check that the server can write its instance folder."""
    folder = context.settings().flaskauth_instance_path.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ok(f"{folder} is writable")
    return failed(f"this user cannot write to {folder}", "Start in a different folder, or set FLASKAUTH_INSTANCE_PATH.")


CHECKS = {"files": secret_files.check_files, "instance": _check_instance_path}
FILES = CheckGroup(tuple(CHECKS), frozenset({"FLASKAUTH_INSTANCE_PATH"}), lambda: run_checks(CHECKS))
