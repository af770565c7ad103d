"""Sources of settings: the environment, `.env`, the files that `NAME_FILE` settings name, and the instance folder."""

import contextlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from sqlalchemy import URL, make_url

from flaskauth.settings.fields import is_loopback

PREFIX = "FLASKAUTH_"
SURROGATES = re.compile("[\ud800-\udfff]")
ENV_FILE = "FLASKAUTH_ENV_FILE"
DEFAULT_ENV_FILES = (Path(".env"), Path("/etc/flaskauth/flaskauth.env"))
DEFAULT_PORT = 5000  # as `flask run`


def read_values(
    environ: Mapping[str, str], env_file: Path | None, names: Sequence[str], port: int
) -> tuple[dict[str, str], list[str]]:
    """Return the values by name, and the errors of reading them. An empty value counts as unset."""
    unresolved, file_errors = _read_sources(environ, env_file, names)
    values, errors = _resolve_files(unresolved, names)
    errors += file_errors
    # The environment can contain other bytes. Python then decodes them to surrogates, which nothing can encode.
    undecodable = [name for name in names if SURROGATES.search(values.get(name, ""))]
    errors += [f"{name}: is not valid UTF-8" for name in undecodable]
    values = {name: value for name, value in values.items() if name not in undecodable}
    errors += [f"{name}: unknown setting" for name in values if name.startswith(PREFIX) and name not in names]
    return {"PUBLIC_URL": _default_public_url(values, port), **values}, errors


def find_env_file(environ: Mapping[str, str]) -> Path | None:
    """Return the file of FLASKAUTH_ENV_FILE, which may not exist, else the first default file that exists, or None."""
    if named := environ.get(ENV_FILE):
        return Path(named)
    return next((path for path in DEFAULT_ENV_FILES if _exists(path)), None)


def find_value_files(environ: Mapping[str, str], env_file: Path | None, names: Sequence[str]) -> dict[str, Path]:
    """Return the files that NAME_FILE settings name, by NAME. They may not exist."""
    values, _errors = _read_sources(environ, env_file, names)
    return {name: Path(path) for name in names if f"{name}_FILE" not in names and (path := values.get(f"{name}_FILE"))}


def load_or_create_secret(folder: Path) -> str:
    """Return the secret stored in the folder; create it on first use.

    The file is written under a temporary name, then hard-linked: concurrent processes never read a partial secret.

    Raises:
        OSError: the folder or the file cannot be created or read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, draft = folder / "secret_key", folder / f".secret_key.{secrets.token_hex(8)}"
    if not path.exists():
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="utf-8")


def with_driver(text: str) -> URL:
    """Return a database URL with a driver (mysqlclient if it is installed, else PyMySQL) and the charset utf8mb4.

    The path of an SQLite file becomes absolute: Flask-SQLAlchemy-Lite would add Flask's instance folder to it.
    """
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database.startswith("file:"):  # no path, or a URI of SQLite
            return url
        return url.set(database=str(Path(url.database).absolute()))
    if url.drivername in {"mysql", "mariadb"}:
        url = url.set(drivername="mysql+mysqldb" if find_spec("MySQLdb") else "mysql+pymysql")
    if url.drivername == "mysql+mysqldb" and "ssl_ca" in url.query:
        # By default mysqlclient does not verify the server, and sends the password unencrypted to a server without TLS.
        # PyMySQL does neither.
        url = url.set(query={"ssl_mode": "VERIFY_IDENTITY", **url.query})
    if url.drivername == "mysql+pymysql" and url.password:
        # PyMySQL encodes passwords as Latin-1, but clients create users with passwords in UTF-8.
        url = url.set(password=str(url.password).encode().decode("latin-1"))
    return url.update_query_dict({"charset": "utf8mb4"})


def _read_sources(
    environ: Mapping[str, str], env_file: Path | None, names: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the nonempty values of the environment and the env file, and the errors of reading the file.

    NAME or NAME_FILE in the environment overrides both in the file.
    """
    has_file = env_file and (environ.get(ENV_FILE) or _exists(env_file))
    file_values, errors = _read_env_file(env_file) if env_file and has_file else ({}, [])
    if file_values.pop(ENV_FILE, None):
        errors.append(f"{ENV_FILE}: must be set in the environment, not in a file")
    file_values = {name: value for name, value in file_values.items() if not environ.get(_other_form(name, names))}
    return {name: value for name, value in {**file_values, **environ}.items() if value}, errors


def _read_env_file(path: Path) -> tuple[dict[str, str | None], list[str]]:
    try:
        text = _read_text(path)
    except (OSError, ValueError) as error:
        return {}, [f"{path.name}: cannot be read ({getattr(error, 'strerror', 'not valid UTF-8')})"]
    lines = list(parse_stream(StringIO(text)))
    bad_lines = [line.original.line for line in lines if line.error]
    return {line.key: line.value for line in lines if line.key}, [
        f"{path.name}: line {number} is not NAME=value; check for an unclosed quote" for number in bad_lines
    ]


def _exists(path: Path) -> bool:
    """Return True if this is a file. A folder that this user cannot search counts as empty, as after `runuser`."""
    try:
        return path.exists() and not path.is_dir()
    except PermissionError:
        return False


def _other_form(name: str, names: Sequence[str]) -> str:
    """Return NAME_FILE for NAME, and NAME for NAME_FILE. FLASKAUTH_ENV_FILE is a setting of its own."""
    if name.endswith("_FILE"):
        return name if name in names else name.removesuffix("_FILE")
    return name if f"{name}_FILE" in names else f"{name}_FILE"


def _resolve_files(values: Mapping[str, str], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Replace each NAME_FILE by NAME with the content of that file; return the values and the errors."""
    resolved, errors = dict(values), []
    for name in names:
        if path := None if f"{name}_FILE" in names else resolved.pop(f"{name}_FILE", None):
            try:
                resolved[name] = _read_text(Path(path)).strip()
            except (OSError, ValueError):
                errors.append(f"{name}_FILE: cannot be read")
    return {name: value for name, value in resolved.items() if value}, errors


def _read_text(path: Path) -> str:
    """Return the content of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: the content is not UTF-8 or contains NUL, which an environment variable cannot contain either.
    """
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError("NUL")
    return text


def default_environment(values: Mapping[str, str]) -> str:
    """Return the value of FLASKAUTH_ENV if it is unset or invalid."""
    has_no_services = "SQLALCHEMY_DATABASE_URI" not in values and "MAIL_SERVER" not in values
    is_debug = values.get("FLASK_DEBUG", "").lower() in {"1", "true", "yes", "on", "t", "y"}
    return "development" if has_no_services or is_debug else "production"


def _default_public_url(values: Mapping[str, str], port: int) -> str:
    host = values.get("SERVER_NAME", f"localhost:{port}")
    return f"{'http' if is_loopback(host.rsplit(':', 1)[0]) else 'https'}://{host}"
