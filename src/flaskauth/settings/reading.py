"""Where settings come from: the environment, `.env`, files that are named there, the instance folder."""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from sqlalchemy import URL, make_url

from flaskauth.settings.fields import is_loopback

PREFIX = "FLASKAUTH_"
PORT = 5000  # where it serves unless told otherwise


def read(environ: Mapping[str, str], dotenv: Path, names: Sequence[str], port: int) -> tuple[dict[str, str], list[str]]:
    """The values by their names, and the faults of reading them. An empty value means not set."""
    kept, wrong = _dotenv(dotenv)
    kept = {name: value for name, value in kept.items() if not environ.get(_other_form(name))}
    values, faults = _with_files({name: value for name, value in {**kept, **environ}.items() if value}, names)
    faults += wrong
    faults += [f"{name}: no such setting" for name in values if name.startswith(PREFIX) and name not in names]
    return {"FLASKAUTH_ENV": _environment(values), "PUBLIC_URL": _public_url(values, port), **values}, faults


def kept_secret(folder: Path) -> str:
    """The secret of the folder, made once: a link appears whole or not at all, whoever starts beside."""
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
    """A database's URL with its driver: mysqlclient where it is importable, PyMySQL otherwise, always utf8mb4."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return url
    if url.drivername in {"mysql", "mariadb"}:
        url = url.set(drivername="mysql+mysqldb" if find_spec("MySQLdb") else "mysql+pymysql")
    if url.drivername == "mysql+mysqldb" and "ssl_ca" in url.query:
        # By itself it would send the password to any server, or in clear where none offers TLS. PyMySQL does neither.
        url = url.set(query={"ssl_mode": "VERIFY_IDENTITY", **url.query})
    return url.update_query_dict({"charset": "utf8mb4"})


def _dotenv(path: Path) -> tuple[Mapping[str, str | None], list[str]]:
    try:
        text = _text(path) if path.is_file() else ""
    except (OSError, ValueError) as error:
        return {}, [f"{path.name}: cannot be read ({getattr(error, 'strerror', 'it must be UTF-8')})"]
    lines = list(parse_stream(StringIO(text)))
    odd = [line.original.line for line in lines if line.error]
    return {line.key: line.value for line in lines if line.key}, [
        f"{path.name}: line {number} is not NAME=value; is a quote left open?" for number in odd
    ]


def _other_form(name: str) -> str:
    """NAME_FILE of a NAME, and the other way round: what the environment says in either form wins over `.env`."""
    return name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE"


def _with_files(values: Mapping[str, str | None], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The values, and in the place of each NAME_FILE what stands in that file."""
    read, faults = dict(values), []
    for name in names:
        if path := None if f"{name}_FILE" in names else read.pop(f"{name}_FILE", None):
            try:
                read[name] = _text(Path(path)).strip()
            except (OSError, ValueError):
                faults.append(f"{name}_FILE: cannot be read")
    return {name: value for name, value in read.items() if value}, faults


def _text(path: Path) -> str:
    """What stands in a file; nothing that could not stand in the environment either.

    Raises:
        OSError, ValueError
    """
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError("NUL")
    return text


def _environment(values: Mapping[str, str]) -> str:
    embedded = "SQLALCHEMY_DATABASE_URI" not in values and "MAIL_SERVER" not in values
    debug = values.get("FLASK_DEBUG", "").lower() in {"1", "true", "yes", "on", "t", "y"}
    return "development" if embedded or debug else "production"


def _public_url(values: Mapping[str, str], port: int) -> str:
    name = values.get("SERVER_NAME", f"localhost:{port}")
    return f"{'http' if is_loopback(name.rsplit(':', 1)[0]) else 'https'}://{name}"
