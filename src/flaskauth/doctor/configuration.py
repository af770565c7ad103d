"""Check the settings and the files that contain them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from flaskauth.core import context, crypto
from flaskauth.doctor.findings import CheckGroup, Finding, failed, failed_in_production, ok, run_checks, warning
from flaskauth.settings import Settings

DOTENV = Path(".env")
GENERAL_ADVICE = "Correct it in the environment or in .env; .env.example lists the allowed values."
ADVICE = {
    "MAIL_USE_TLS": "Set MAIL_USE_TLS=true (port 587) or MAIL_USE_SSL=true (port 465).",
    "REFRESH_TOKEN_ROTATION": "Set it to true when no client keeps its first refresh token.",
    "RATE_LIMIT_FACTOR": "Set it to 1 after the load test.",
    "SECRET_KEY": "Set a new one: python -c 'import secrets; print(secrets.token_urlsafe(48))'."
    " If the database is in use, keep the old one in SECRET_KEY_FALLBACKS."
    " If it may be known to others, run flaskauth keys reset instead.",
}


def load_settings() -> tuple[Settings, list[str]]:
    """Return the settings that a server would load, and their errors. A generated secret is not stored."""
    settings, errors = Settings.load_with_errors()
    if errors or settings.secret_key.get_secret_value():
        return settings, errors
    path = _secret_file(settings)
    secret = path.read_text(encoding="utf-8") if path.exists() else crypto.base64url_encode(crypto.random_bytes(48))
    return settings.model_copy(update={"secret_key": SecretStr(secret)}), errors


def unusable_settings(errors: list[str]) -> set[str]:
    """Return the names of the settings in the error messages."""
    names = (name for error in errors for name in error.partition(":")[0].split(", "))
    return {name.removesuffix("_FILE") for name in names}


def check_values(settings: Settings, errors: list[str]) -> Iterator[Finding]:
    """Report every error, then every warning that is not also an error."""
    findings = [*(failed(error, _advice(error)) for error in errors)]
    findings += [warning(message, _advice(message)) for message in settings.warnings() if message not in errors]
    for finding in findings or [ok(f"valid: {settings.flaskauth_env}, {_source()}")]:
        yield replace(finding, check="settings")


def _source() -> str:
    """Return the source of the settings: a different working directory has a different .env."""
    path = DOTENV.absolute()
    return f"from the environment and {path}" if path.is_file() else f"from the environment; {path} does not exist"


def _advice(message: str) -> str:
    return ADVICE.get(message.partition(":")[0], GENERAL_ADVICE)


def _check_files() -> Finding:
    existing = [path for path in (DOTENV, _secret_file(context.settings())) if path.exists()]
    if readable := [str(path) for path in existing if _is_world_readable(path)]:
        return failed_in_production(
            f"all users of this machine can read {' and '.join(readable)}",
            f"Run chmod 600 {' '.join(readable)}, and make the user of the server its owner."
            " If this machine has other users, change the secrets in it.",
        )
    return ok("no other user can read " + " and ".join(map(str, existing)) if existing else "no file contains secrets")


def _check_instance_path() -> Finding:
    """Check that the server can write its instance folder."""
    folder = context.settings().flaskauth_instance_path.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ok(f"{folder} is writable")
    return failed(f"this user cannot write to {folder}", "Start in a different folder, or set FLASKAUTH_INSTANCE_PATH.")


def _is_world_readable(path: Path) -> bool:
    resolved = path.resolve()
    return bool(resolved.stat().st_mode & 0o006) and all(folder.stat().st_mode & 0o001 for folder in resolved.parents)


def _secret_file(settings: Settings) -> Path:
    return settings.flaskauth_instance_path / "secret_key"


CHECKS = {"files": _check_files, "instance": _check_instance_path}
FILES = CheckGroup(tuple(CHECKS), frozenset({"FLASKAUTH_INSTANCE_PATH"}), lambda: run_checks(CHECKS))
