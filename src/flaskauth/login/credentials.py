"""What a sign-in reads before it counts the attempt: the user, and whether the client is recognised."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, func, select

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.accounts.service import StoredCredentials
from flaskauth.core.db.compiled import ONE_ROW, CompiledStatement
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.http.request import client_network
from flaskauth.countries.models import Country
from flaskauth.sessions import devices
from flaskauth.sessions.devices import DeviceMatch


class CredentialsRow(NamedTuple):
    """The row of `CREDENTIALS_QUERY`. Without a user, `id` is None, and so are most others."""

    id: int
    email: str
    first_name: str
    last_name: str
    avatar: str | None
    country_id: int | None
    is_verified: bool
    created_at: datetime
    updated_at: datetime | None
    country_name: str | None
    country_code: str | None
    password_hash: str | None
    last_login_at: datetime | None
    locale: str
    normalized_email: str
    device_id: int | None
    network: bool


# For an unknown email address, the recognition of the client reads the same indexes with the user id 0.
_CAN_LOG_IN = and_(User.normalized_email == bindparam("normalized_email"), *accounts.CAN_LOG_IN)
CREDENTIALS_QUERY = CompiledStatement(
    select(
        *accounts.PUBLIC_COLUMNS,
        *(User.password_hash, User.last_login_at, User.locale, User.normalized_email),
        *devices.match_columns(func.coalesce(User.id, 0)),
    ).select_from(ONE_ROW.outerjoin(User, _CAN_LOG_IN).outerjoin(Country, accounts.COUNTRY_JOIN)),
    CredentialsRow,
)


def load_credentials(email: EmailAddress, device_token: str | None) -> tuple[StoredCredentials, DeviceMatch]:
    """Return the credentials of an email address, empty if no user can sign in with it, and how the client matches."""
    row = CREDENTIALS_QUERY.one(
        normalized_email=email.normalized, **devices.match_parameters(client_network(), device_token)
    )
    credentials = StoredCredentials(row.id, row.password_hash, row.last_login_at is not None, row)
    return credentials if row.id else StoredCredentials(), DeviceMatch(row.device_id, row.network)
