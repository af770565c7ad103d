"""The settings themselves, and the files that hold them."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from flaskauth.doctor.findings import Finding, Subject, doubtful, each, fine, serious, wrong
from flaskauth.foundation import crypto, current
from flaskauth.settings import Settings

DOTENV = Path(".env")
GENERAL = "Correct it in the environment or in .env; .env.example says what it may be."
ADVICE = {
    "MAIL_USE_TLS": "Set MAIL_USE_TLS=true (port 587) or MAIL_USE_SSL=true (port 465).",
    "REFRESH_ROTATION": "Set it to true once no client keeps its first refresh token.",
    "REQUEST_LIMITS": "Set it to 1 once the load test is over.",
    "SECRET_KEY": "Set another one: python -c 'import secrets; print(secrets.token_urlsafe(48))'. Where a database is"
    " in use, keep the old one in SECRET_KEY_FALLBACKS; if somebody may know it, run flaskauth keys reset instead.",
}


def read() -> tuple[Settings, list[str]]:
    """The settings as a start would have them, and their faults; the secret that a start would make is not kept."""
    settings, faults = Settings.examine()
    if faults or settings.secret_key.get_secret_value():
        return settings, faults
    path = _secret_file(settings)
    kept = path.read_text(encoding="utf-8") if path.exists() else crypto.encode(crypto.random_bytes(48))
    return settings.model_copy(update={"secret_key": SecretStr(kept)}), faults


def unusable(faults: list[str]) -> set[str]:
    """The names of the settings that are told of."""
    names = (name for fault in faults for name in fault.partition(":")[0].split(", "))
    return {name.removesuffix("_FILE") for name in names}


def values(settings: Settings, faults: list[str]) -> Iterator[Finding]:
    """Every fault and every warning; faults come first, and what is one is not told again."""
    told = [*(wrong(fault, _advice(fault)) for fault in faults)]
    told += [doubtful(warning, _advice(warning)) for warning in settings.warnings() if warning not in faults]
    for finding in told or [fine(f"can be used: {settings.flaskauth_env}, {_from()}")]:
        yield replace(finding, check="settings")


def _from() -> str:
    """Whoever runs it in another folder has other settings."""
    path = DOTENV.absolute()
    return f"from the environment and {path}" if path.is_file() else f"from the environment; {path} is not there"


def _advice(told: str) -> str:
    return ADVICE.get(told.partition(":")[0], GENERAL)


def _files() -> Finding:
    seen = [path for path in (DOTENV, _secret_file(current.settings())) if path.exists()]
    if bare := [str(path) for path in seen if _is_open_to_others(path)]:
        return serious(
            f"every user of this machine can read {' and '.join(bare)}",
            f"chmod 600 {' '.join(bare)}; give it to the user who runs the server. Where others work on this machine,"
            " change the secrets in it.",
        )
    return fine("no other user can read " + " and ".join(map(str, seen)) if seen else "there are none with secrets")


def _instance() -> Finding:
    """Whether what an embedded server makes by itself has a place."""
    folder = current.settings().flaskauth_instance_path.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return fine(f"{folder} can be written")
    return wrong(f"this user may not write {folder}", "Start in a folder of yours, or set FLASKAUTH_INSTANCE_PATH.")


def _is_open_to_others(path: Path) -> bool:
    whole = path.resolve()
    return bool(whole.stat().st_mode & 0o006) and all(folder.stat().st_mode & 0o001 for folder in whole.parents)


def _secret_file(settings: Settings) -> Path:
    return settings.flaskauth_instance_path / "secret_key"


CHECKS = {"files": _files, "instance": _instance}
FILES = Subject(tuple(CHECKS), frozenset({"FLASKAUTH_INSTANCE_PATH"}), lambda: each(CHECKS))
