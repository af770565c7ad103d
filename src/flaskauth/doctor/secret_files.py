"""Check the owner and the mode of every file that contains secrets, and of their folders."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from flaskauth.core import context
from flaskauth.doctor.findings import Finding, failed_in_production, ok, warning
from flaskauth.settings import DEFAULT_ENV_FILES, Settings, find_env_file, find_value_files, setting_names

KEY_OPTIONS = ("ssl_key", "ssl_keyfile")  # of a database or Redis URL: files with a private key
PUBLIC_SUFFIXES = (".example", ".sample", ".dist")  # of an env file without secrets
PUBLIC_PREFIX = "celerybeat-schedule"  # of files that Celery beat writes in the instance folder


def check_files() -> Finding:
    """Return a warning if a file or its folder has an unsafe mode or owner.

    It is a failure in production if every user of the machine can reach and read or write the file.
    """
    files = find_secret_files(context.settings(), os.environ)
    if not files:
        return ok("no file contains secrets")
    exposed = [path for path in files if _is_exposed(path)]
    if exposed:
        return failed_in_production(
            f"all users of this machine can read {_join(exposed)}",
            f"{_advice(exposed)} If this machine has other users, change the secrets in it.",
        )
    if unsafe := [path for path in files if _has_unsafe_mode(path)]:
        return warning(f"other users may read or write {_join(unsafe)}", _advice(unsafe))
    owners = _trusted_owners()
    if foreign := [path for path in {*files, *_folders(files)} if path.stat().st_uid not in owners]:
        return warning(
            f"{_join(sorted(foreign))} belongs to a different user, who can read and change it",
            "Make root or the user of the server the owner, with chown.",
        )
    if writable := [folder for folder in _folders(files) if _is_writable_by_others(folder)]:
        return warning(f"other users can replace files in {_join(writable)}", f"Run chmod o-w {_join(writable, ' ')}.")
    return ok(f"no other user can read {_join(files)}")


def find_secret_files(settings: Settings, environ: Mapping[str, str]) -> list[Path]:
    """Return the existing files that contain secrets: settings, keys, the database, and copies of them."""
    env_file = find_env_file(environ)
    candidates = [
        *(path for path in _with_copies(env_file or DEFAULT_ENV_FILES[0]) if not path.name.endswith(PUBLIC_SUFFIXES)),
        *find_value_files(environ, env_file, setting_names()).values(),
        *_key_files(settings),
        *(path for path in _list_files(settings.flaskauth_instance_path) if not path.name.startswith(PUBLIC_PREFIX)),
        *(_with_copies(settings.database_file) if settings.database_file else ()),
    ]
    unique = {path.resolve(): path for path in reversed(candidates) if _has_content(path)}
    return sorted(unique.values())


def stored_secret(settings: Settings) -> Path:
    """Return the path of the secret that development creates."""
    return settings.flaskauth_instance_path / "secret_key"


def _with_copies(path: Path) -> Iterator[Path]:
    """Yield the file and others whose names begin with its name: -wal and -shm of SQLite, backups, dumps."""
    return (other for other in _list_files(path.parent) if other.name.startswith(path.name))


def _list_files(folder: Path) -> list[Path]:
    """Return the files in a folder, or none if this user cannot list it."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _has_content(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _key_files(settings: Settings) -> Iterator[Path]:
    """Yield the private keys that the URLs of the database and of Redis name."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    options = {**settings.database_url.query, **dict(parse_qsl(urlsplit(redis_url).query))}
    return (Path(str(options[name])) for name in KEY_OPTIONS if name in options)


def _is_exposed(path: Path) -> bool:
    resolved = path.resolve()
    return bool(_mode(resolved) & 0o006) and all(_mode(folder) & 0o001 for folder in resolved.parents)


def _has_unsafe_mode(path: Path) -> bool:
    """Return True if others can read or write the file, or if its group can write it."""
    return bool(_mode(path) & 0o026)


def _is_writable_by_others(folder: Path) -> bool:
    """Return True if others can replace files of the folder. The sticky bit prevents it, as in /tmp."""
    return bool(_mode(folder) & 0o002) and not _mode(folder) & stat.S_ISVTX


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _folders(files: list[Path]) -> list[Path]:
    return sorted({path.resolve().parent for path in files})


def _trusted_owners() -> set[int]:
    """Return root, this user, and the owner of the instance folder: root may run the command."""
    folder = context.settings().flaskauth_instance_path
    return {0, os.geteuid(), folder.stat().st_uid if folder.exists() else 0}


def _advice(files: list[Path]) -> str:
    return f"Run chmod 600 {_join(files, ' ')}, and make the user of the server its owner."


def _join(paths: list[Path], separator: str = " and ") -> str:
    return separator.join(map(str, paths))
