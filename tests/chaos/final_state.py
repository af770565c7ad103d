"""Read the final state directly from the database, the mail server, Redis and the files."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis import Redis as Client
from tests.chaos.environment import Environment
from tests.chaos.history import Call, FinalState, OutboxRow
from tests.e2e import leaks

from flaskauth.core import crypto

SAMPLED_CALLS = 150  # calls whose secrets are searched for

SELECT_MAILS = "SELECT recipient AS `to`, template, state, message_id, code_id AS code_id, attempts FROM outbox"
SELECT_EVENTS = "SELECT name, user_id, session_id FROM audit_events"


def read_final_state(environment: Environment, calls: Sequence[Call]) -> FinalState:
    registrations = {
        crypto.base64url_encode(code_id): address
        for code_id, address in _fetch_rows(environment, "SELECT id, normalized_email FROM registrations")
    }
    codes = {
        crypto.base64url_encode(code_id): purpose
        for code_id, purpose in _fetch_rows(environment, "SELECT id, purpose FROM one_time_codes")
    }
    return FinalState(
        registrations={code_id: _as_text(address) for code_id, address in registrations.items()},
        codes=codes,
        users={
            _as_text(address): row_id
            for address, row_id in _fetch_rows(environment, "SELECT normalized_email, id FROM users")
        },
        sessions={
            str(row_id): revoked_at is None
            for row_id, revoked_at in _fetch_rows(environment, "SELECT id, revoked_at FROM sessions")
        },
        events=[(name, user, str(session_id)) for name, user, session_id in _fetch_rows(environment, SELECT_EVENTS)],
        outbox=[
            OutboxRow(**{**row._mapping, "code_id": crypto.base64url_encode(row.code_id or b"")})
            for row in _fetch_rows(environment, SELECT_MAILS)
        ],
        mails=environment.mailbox.mails,
        unhandled_exceptions=[*_unhandled_exceptions(environment)],
        leaks=sorted(leaks.find_leaks(_secrets_in(calls), dict([*_written_data(environment)]))),
    )


def _fetch_rows(environment: Environment, statement: str) -> Sequence[Any]:
    with environment.engine.connect() as connection:
        return connection.exec_driver_sql(statement).all()


def _as_text(identity: bytes | str) -> str:
    return identity.decode() if isinstance(identity, bytes) else identity


def _secrets_in(calls: Sequence[Call]) -> set[str]:
    """Return the secrets of a sample of the calls."""
    sample = calls[:: max(1, len(calls) // SAMPLED_CALLS)]
    secrets = {
        secret
        for call in sample
        for secret in (call.password, call.otp, call.sent_refresh_token, call.received_refresh_token)
    }
    return secrets - {""} | {"no secrets sampled"}


def _unhandled_exceptions(environment: Environment) -> Iterator[str]:
    for log in environment.workspace.folder.glob("server-*.log"):
        yield from (line for line in log.read_text(errors="replace").splitlines() if '"unhandled_exception"' in line)


def _written_data(environment: Environment) -> Iterable[tuple[str, bytes]]:
    with Client.from_url(environment.redis.url) as client:
        yield from leaks.dump_redis(client)
    yield from leaks.dump_files(environment.workspace.folder)
