"""What a sign-in reads before it counts the attempt: the user, and whether the client is recognised."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, bindparam, func, select

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core.db.compiled import ONE_ROW, CompiledStatement
from flaskauth.core.http.request import client_network
from flaskauth.countries.models import Country
from flaskauth.sessions import devices


class CredentialsRow(NamedTuple):
    """The row of `CREDENTIALS_QUERY`. If no user can sign in, the user's columns are None."""

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
    is_network_recognised: bool

    @property
    def is_recognised(self) -> bool:
        return devices.DeviceMatch(self.device_id, self.is_network_recognised).is_recognised


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


def load_credentials(normalized_email: str, device_token: str | None) -> CredentialsRow:
    """Return the user of an email address who can sign in, and how the client is recognised."""
    parameters = devices.match_parameters(client_network(), device_token)
    return CREDENTIALS_QUERY.one(normalized_email=normalized_email, **parameters)
