"""examples/offline: a separate service verifies access tokens with the public keys only."""

import ast
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.docs.code_blocks import ROOT, block
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.e2e.scenario import UserScenario
from tests.examples.helpers import Example
from tests.signing_keys.forgery import OMITTED, ForgeryTarget, join_parts, sign_ecdsa, sign_hmac
from tests.signing_keys.helpers import encode

from flaskauth import create_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import Settings

UNKNOWN_KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid")

ForgeToken = Callable[[ForgeryTarget], str]


def with_claims(**changes: object) -> ForgeToken:
    """Sign changed claims with the server's key."""
    return lambda target: target.sign(payload=target.claims_with(**changes))


def with_header(**changes: object) -> ForgeToken:
    return lambda target: target.sign(target.header_with(**changes))


def signed_with_public_key(form: str) -> ForgeToken:
    return lambda t: sign_hmac(join_parts(t.header_with(alg="HS256"), t.claims_with()), t.public_key_encodings()[form])


FORGED_TOKENS: dict[str, ForgeToken] = {
    "expired": lambda t: with_claims(iat=t.claims_with()["iat"] - 700, exp=t.claims_with()["iat"] - 100)(t),
    "not yet valid": lambda t: with_claims(iat=t.claims_with()["iat"] + 100)(t),
    "different audience": with_claims(aud="https://other.example.com"),
    "different issuer": with_claims(iss="https://other.example.com"),
    **{f"without {claim}": with_claims(**{claim: OMITTED}) for claim in CLAIMS},
    "no typ": with_header(typ=OMITTED),
    "ID token": with_header(typ="JWT"),
    "alg none": lambda t: join_parts(t.header_with(alg="none"), t.claims_with()) + ".",
    "alg none, valid signature": lambda t: f"{join_parts(t.header_with(alg='none'), t.claims_with())}.{t.parts[2]}",
    "HS256 with the public PEM": signed_with_public_key("PEM"),
    "HS256 with the public JWK": signed_with_public_key("JWK"),
    "unknown key": lambda t: sign_ecdsa(join_parts(t.header_with(), t.claims_with()), UNKNOWN_KEY),
    "unknown key and kid": lambda t: sign_ecdsa(join_parts(t.header_with(kid="unknown"), t.claims_with()), UNKNOWN_KEY),
    "no kid": with_header(kid=OMITTED),
    "numeric kid": with_header(kid=7),
    "changed payload": lambda t: f"{t.parts[0]}.{encode(json.dumps(t.claims_with(sub='1')).encode())}.{t.parts[2]}",
    "nested header": lambda t: f"{encode(b'[' * 4000)}.{t.parts[1]}.{t.parts[2]}",
    "nonsense": lambda t: "nonsense",
    "empty": lambda t: "",
}


class OfflineService:
    """The example service and a flaskauth server, started as its README says."""

    def __init__(self, folder: Path) -> None:
        self.example = Example("offline", folder)
        self.workspace = Workspace(folder)
        self.port = self.example.port
        self.auth_client, self.service_client = HttpClient(self.port), HttpClient(int(self.example.ports[":5001"][1:]))
        self.server = self.start_auth_server()
        self.running = self.example.start_block(block("examples/offline/README.md", "start"))
        self.running.wait_until(lambda: "Running on" in self.running.output)

    def start_auth_server(self) -> RunningProcess:
        return self.workspace.start("flaskauth", "serve", "--port", str(self.port)).wait_until(
            self.auth_client.is_ready
        )

    def whoami(self, token: str = "") -> int:
        return self.service_client.get("/whoami", token).status

    def run_plain(self, token: str) -> int:
        """Return the exit status of `plain.py`, which must print an error for an invalid token."""
        output = self.example.workspace.run(
            sys.executable, "plain.py", f"http://localhost:{self.port}", token, expect=None
        )
        assert output.startswith("rejected: ")
        return 1

    def jwks_request_count(self) -> int:
        return self.server.output.count('"route": "/.well-known/jwks.json"')

    def close(self) -> None:
        for resource in (self.running, self.server, self.auth_client, self.service_client):
            resource.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineService]:
    with closing(OfflineService(tmp_path_factory.mktemp("offline"))) as service:
        yield service


@pytest.fixture(scope="module")
def scenario(service: OfflineService) -> UserScenario:
    """A user who is logged in at the server."""
    user = UserScenario(service.auth_client, service.auth_client.code_for, "grace@example.com")
    user.register_and_verify()
    user.login()
    return user


@pytest.fixture(scope="module")
def target(service: OfflineService, scenario: UserScenario) -> Iterator[ForgeryTarget]:
    """The server's signing keys, to forge tokens with."""
    folder = service.workspace.folder / "instance"
    environ = {"FLASKAUTH_INSTANCE_PATH": str(folder), "PUBLIC_URL": f"http://localhost:{service.port}"}
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield ForgeryTarget(app, {"token": scenario.token}, {})
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


def test_offline_example_readme_works_as_typed(service: OfflineService, scenario: UserScenario) -> None:
    output = service.example.run_block(block("examples/offline/README.md", "verify"), TOKEN=scenario.token)

    end = output.index("}") + 1
    claims, response = json.loads(output[:end]), json.loads(output[end:])
    assert set(CLAIMS) <= set(claims)
    assert response == {"user": claims["sub"], "session": claims["sid"]}


@pytest.mark.parametrize("forge", FORGED_TOKENS.values(), ids=FORGED_TOKENS)
def test_offline_example_forged_jwt_returns_401(
    service: OfflineService, target: ForgeryTarget, forge: ForgeToken
) -> None:
    assert service.whoami(target.token) == 200
    response = service.service_client.get("/whoami", forge(target))

    assert response.expect(401) == {"code": "invalid_token"}
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", ["expired", "unknown key", "nonsense"])
def test_offline_example_command_rejects_invalid_jwt(service: OfflineService, target: ForgeryTarget, name: str) -> None:
    assert service.run_plain(FORGED_TOKENS[name](target)) == 1


def test_offline_example_without_token_returns_401(service: OfflineService) -> None:
    assert service.service_client.get("/whoami").expect(401) == {"code": "invalid_token"}


def test_offline_example_unknown_kid_does_not_refetch_jwks(service: OfflineService, target: ForgeryTarget) -> None:
    before = service.jwks_request_count()
    for number in range(50):
        assert service.whoami(with_header(kid=f"invented-{number}")(target)) == 401

    assert service.jwks_request_count() <= before + 1


def test_offline_example_works_offline_and_follows_jwks(service: OfflineService, scenario: UserScenario) -> None:
    old = scenario.token
    assert service.whoami(old) == 200
    service.server.terminate()
    assert service.whoami(old) == 200

    service.workspace.with_settings(PUBLIC_URL=f"http://localhost:{service.port}").run(
        "flaskauth", "keys", "rotate", "--now"
    )
    service.server = service.start_auth_server()
    scenario.login()
    deadline = time.monotonic() + 20
    while service.whoami(scenario.token) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert service.whoami(old) == 401


def test_offline_example_accepts_jwt_after_logout(service: OfflineService, scenario: UserScenario) -> None:
    """The documented limitation: the service does not learn of a logout."""
    scenario.login()
    scenario.logout()

    assert service.whoami(scenario.token) == 200


def test_offline_example_without_jwks_returns_503(tmp_path: Path, scenario: UserScenario) -> None:
    example = Example("offline", tmp_path)
    with (
        example.start_block(block("examples/offline/README.md", "start")) as running,
        closing(HttpClient(int(example.ports[":5001"][1:]))) as http_client,
    ):
        running.wait_until(lambda: "Running on" in running.output)
        response = http_client.get("/whoami", scenario.token)

        assert response.expect(503) == {"code": "unavailable"}
        assert response.headers["Retry-After"] == "10"


@pytest.mark.parametrize(("name", "dependencies"), [("plain", {"jwt"}), ("service", {"jwt", "flask", "plain"})])
def test_offline_example_imports_no_flaskauth(name: str, dependencies: set[str]) -> None:
    tree = ast.parse((ROOT / "examples" / "offline" / f"{name}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {module.partition(".")[0] for module in imported} - sys.stdlib_module_names == dependencies
