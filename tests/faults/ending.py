"""What is there when all is over, read past the server."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis import Redis as Client
from tests.faults.history import Call, Ending, Sent
from tests.faults.site import Site
from tests.journeys import leaks

from flaskauth.foundation import crypto

SAMPLE = 150  # calls whose secrets are looked for

MAILS = "SELECT recipient AS `to`, template, state, message_id, code_id AS door, tries FROM outbox"
EVENTS = "SELECT name, user_id, session_id FROM audit_events"


def ending(site: Site, calls: Sequence[Call]) -> Ending:
    attempts = {crypto.encode(door): address for door, address in _rows(site, "SELECT id, address FROM registrations")}
    codes = {crypto.encode(door): purpose for door, purpose in _rows(site, "SELECT id, purpose FROM one_time_codes")}
    return Ending(
        attempts={door: _text(address) for door, address in attempts.items()},
        codes=codes,
        people={_text(address): number for address, number in _rows(site, "SELECT address, id FROM users")},
        sessions={str(number): ended is None for number, ended in _rows(site, "SELECT id, ended_at FROM sessions")},
        events=[(name, user, str(session)) for name, user, session in _rows(site, EVENTS)],
        outbox=[Sent(**{**row._mapping, "door": crypto.encode(row.door or b"")}) for row in _rows(site, MAILS)],
        mails=site.mailbox.mails,
        accidents=[*_accidents(site)],
        leaks=sorted(leaks.leaked(_secrets(calls), dict([*_written(site)]))),
    )


def _rows(site: Site, statement: str) -> Sequence[Any]:
    with site.engine.connect() as connection:
        return connection.exec_driver_sql(statement).all()


def _text(identity: bytes | str) -> str:
    return identity.decode() if isinstance(identity, bytes) else identity


def _secrets(calls: Sequence[Call]) -> set[str]:
    """What people said and were given, of some calls of the whole time."""
    some = calls[:: max(1, len(calls) // SAMPLE)]
    found = {secret for call in some for secret in (call.password, call.otp, call.brought, call.gained)}
    return found - {""} | {"nothing was said"}


def _accidents(site: Site) -> Iterator[str]:
    for log in site.place.folder.glob("server-*.log"):
        yield from (line for line in log.read_text(errors="replace").splitlines() if '"accident"' in line)


def _written(site: Site) -> Iterable[tuple[str, bytes]]:
    with Client.from_url(site.redis.url) as client:
        yield from leaks.keys(client)
    yield from leaks.files(site.place.folder)
