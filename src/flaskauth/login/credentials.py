"""Read the user, and whether the client is recognised, before a sign-in counts the attempt."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, func, select

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
    credential_version: int
    mfa_enabled: bool
    mfa_required: bool
    last_login_at: datetime | None
    locale: str
    normalized_email: str
    device_id: int | None
    is_network_recognised: bool

    @property
    def is_recognised(self) -> bool:
        return devices.DeviceMatch(self.device_id, self.is_network_recognised).is_recognised


def _build_query(is_user: ColumnElement[bool]) -> CompiledStatement[CredentialsRow]:
    """Return the query for one user. Without one, the recognition of the client reads the same indexes with id 0."""
    user = ONE_ROW.outerjoin(User, and_(is_user, *accounts.CAN_LOG_IN)).outerjoin(Country, accounts.COUNTRY_JOIN)
    return CompiledStatement(
        select(
            *accounts.PUBLIC_COLUMNS,
            *(User.password_hash, User.credential_version, User.mfa_enabled, User.mfa_required),
            *(User.last_login_at, User.locale, User.normalized_email),
            *devices.match_columns(func.coalesce(User.id, 0)),
        ).select_from(user),
        CredentialsRow,
        autocommit=True,  # the connection is not kept while the password is hashed, and needs no ROLLBACK
    )


CREDENTIALS_QUERY = _build_query(User.normalized_email == bindparam("normalized_email"))
CREDENTIALS_BY_ID_QUERY = _build_query(User.id == bindparam("user_id"))


def load_credentials(normalized_email: str, device_token: str | None) -> CredentialsRow:
    """Return the user of an email address who can sign in, and how the client is recognised."""
    parameters = devices.match_parameters(client_network(), device_token)
    return CREDENTIALS_QUERY.one(normalized_email=normalized_email, **parameters)


def load_credentials_by_id(user_id: int, device_token: str | None) -> CredentialsRow:
    """Return a user who can sign in, and how the client is recognised. The columns are None if the user cannot."""
    parameters = devices.match_parameters(client_network(), device_token)
    return CREDENTIALS_BY_ID_QUERY.one(user_id=user_id, **parameters)
