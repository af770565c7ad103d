"""`flaskauth sessions revoke-all` revokes all sessions; users can log in again."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.docs.shell import register_grace, serve_workspace
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.support.users import GRACE

CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
SETTINGS = {"FLASKAUTH_ENV": "development", "SECRET_KEY": "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, SETTINGS)


@pytest.fixture
def http_client(workspace: Workspace) -> Iterator[HttpClient]:
    with serve_workspace(workspace) as (_shell, client):
        register_grace(client)
        yield client


def login(client: HttpClient) -> Mapping[str, str]:
    tokens: Mapping[str, str] = client.post("/auth/login", CREDENTIALS).expect()
    return tokens


def refresh_status(client: HttpClient, tokens: Mapping[str, str]) -> int:
    return client.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status


def test_revoke_all_ends_sessions_but_allows_login(workspace: Workspace, http_client: HttpClient) -> None:
    first, second = login(http_client), login(http_client)

    assert "2 sessions were revoked." in workspace.run("flaskauth", "sessions", "revoke-all", "--yes")
    assert [refresh_status(http_client, tokens) for tokens in (first, second)] == [401, 401]
    assert http_client.get("/users/profile", first["token"]).status == 401
    assert refresh_status(http_client, login(http_client)) == 200


def test_revoke_all_without_confirmation_is_aborted(workspace: Workspace, http_client: HttpClient) -> None:
    tokens = login(http_client)

    assert "Aborted" in workspace.run("flaskauth", "sessions", "revoke-all", expect=1)
    assert refresh_status(http_client, tokens) == 200
