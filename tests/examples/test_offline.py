"""examples/offline: another service that verifies tokens with nothing but the public keys."""

import ast
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.documentation.blocks import ROOT, block
from tests.examples.reading import Example
from tests.journeys.processes import Place, Running
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.keys.forging import LEFT_OUT, Target, joined, with_ecdsa, with_hmac
from tests.keys.reading import encode

from flaskauth import create_app
from flaskauth.foundation import jobs
from flaskauth.foundation.db import hang_up
from flaskauth.settings import Settings

STRANGER = ec.generate_private_key(ec.SECP256R1())
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid")

Forge = Callable[[Target], str]


def saying(**changes: object) -> Forge:
    """The server's own signature under other claims."""
    return lambda target: target.signed(payload=target.claims(**changes))


def headed(**changes: object) -> Forge:
    return lambda target: target.signed(target.header(**changes))


def by_a_secret(form: str) -> Forge:
    return lambda t: with_hmac(joined(t.header(alg="HS256"), t.claims()), t.public_forms()[form])


FORGED: dict[str, Forge] = {
    "expired": lambda t: saying(iat=t.claims()["iat"] - 700, exp=t.claims()["iat"] - 100)(t),
    "of the future": lambda t: saying(iat=t.claims()["iat"] + 100)(t),
    "for another audience": saying(aud="https://other.example.com"),
    "by another issuer": saying(iss="https://other.example.com"),
    **{f"without {claim}": saying(**{claim: LEFT_OUT}) for claim in CLAIMS},
    "of no kind": headed(typ=LEFT_OUT),
    "an id token": headed(typ="JWT"),
    "alg none": lambda t: joined(t.header(alg="none"), t.claims()) + ".",
    "alg none, our signature": lambda t: f"{joined(t.header(alg='none'), t.claims())}.{t.parts[2]}",
    "HS256 by the public PEM": by_a_secret("PEM"),
    "HS256 by the public JWK": by_a_secret("JWK"),
    "by another key": lambda t: with_ecdsa(joined(t.header(), t.claims()), STRANGER),
    "by a key of its own": lambda t: with_ecdsa(joined(t.header(kid="stranger"), t.claims()), STRANGER),
    "of no key": headed(kid=LEFT_OUT),
    "of a key that is a number": headed(kid=7),
    "changed": lambda t: f"{t.parts[0]}.{encode(json.dumps(t.claims(sub='1')).encode())}.{t.parts[2]}",
    "nested": lambda t: f"{encode(b'[' * 4000)}.{t.parts[1]}.{t.parts[2]}",
    "nonsense": lambda t: "nonsense",
    "nothing": lambda t: "",
}


class Service:
    """The example beside a server of ours, as its README starts both."""

    def __init__(self, folder: Path) -> None:
        self.example = Example("offline", folder)
        self.place = Place(folder)
        self.port = self.example.port
        self.visitor, self.service = Visitor(self.port), Visitor(int(self.example.ports[":5001"][1:]))
        self.server = self.serve()
        self.running = self.example.start(block("examples/offline/README.md", "start"))
        self.running.wait_until(lambda: "Running on" in self.running.said)

    def serve(self) -> Running:
        return self.place.start("flaskauth", "serve", "--port", str(self.port)).wait_until(self.visitor.is_ready)

    def whoami(self, token: str = "") -> int:
        return self.service.get("/whoami", token).status

    def plain(self, token: str) -> int:
        """How `plain.py` ends; 1 is a refusal in words."""
        said = self.example.place.run(sys.executable, "plain.py", f"http://localhost:{self.port}", token, expect=None)
        assert said.startswith("refused: ")
        return 1

    def times_asked(self) -> int:
        return self.server.said.count('"route": "/.well-known/jwks.json"')

    def close(self) -> None:
        for open_one in (self.running, self.server, self.visitor, self.service):
            open_one.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with closing(Service(tmp_path_factory.mktemp("offline"))) as found:
        yield found


@pytest.fixture(scope="module")
def person(service: Service) -> Traveller:
    """Somebody who is signed in at the server."""
    found = Traveller(service.visitor, service.visitor.code_for, "grace@example.com")
    found.join()
    found.sign_in()
    return found


@pytest.fixture(scope="module")
def target(service: Service, person: Traveller) -> Iterator[Target]:
    """The server's own keys, to forge with."""
    folder = service.place.folder / "instance"
    environ = {"FLASKAUTH_INSTANCE_PATH": str(folder), "PUBLIC_URL": f"http://localhost:{service.port}"}
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield Target(app, {"token": person.token}, {})
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


def test_the_readme_works_as_typed(service: Service, person: Traveller) -> None:
    said = service.example.type(block("examples/offline/README.md", "ask"), TOKEN=person.token)

    claims, told = json.loads(said[: said.index("}") + 1]), json.loads(said[said.index("}") + 1 :])
    assert set(CLAIMS) <= set(claims)
    assert told == {"person": claims["sub"], "session": claims["sid"]}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_is_not_a_token_of_the_server_is_refused(service: Service, target: Target, forge: Forge) -> None:
    assert service.whoami(target.token) == 200
    answer = service.service.get("/whoami", forge(target))

    assert answer.expect(401) == {"code": "invalid_token"}
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", ["expired", "by another key", "nonsense"])
def test_the_command_refuses_in_words(service: Service, target: Target, name: str) -> None:
    assert service.plain(FORGED[name](target)) == 1


def test_without_a_token_it_says_what_to_bring(service: Service) -> None:
    assert service.service.get("/whoami").expect(401) == {"code": "invalid_token"}


def test_invented_keys_do_not_become_requests_to_the_server(service: Service, target: Target) -> None:
    before = service.times_asked()
    for number in range(50):
        assert service.whoami(headed(kid=f"invented-{number}")(target)) == 401

    assert service.times_asked() <= before + 1


def test_it_goes_on_while_the_server_is_away_and_follows_its_keys(service: Service, person: Traveller) -> None:
    old = person.token
    assert service.whoami(old) == 200
    service.server.end()
    assert service.whoami(old) == 200

    service.place.having(PUBLIC_URL=f"http://localhost:{service.port}").run("flaskauth", "keys", "rotate", "--now")
    service.server = service.serve()
    person.sign_in()
    deadline = time.monotonic() + 20
    while service.whoami(person.token) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert service.whoami(old) == 401


def test_a_session_that_ended_is_not_known_to_it(service: Service, person: Traveller) -> None:
    """What the page says that it cannot know."""
    person.sign_in()
    person.sign_out()

    assert service.whoami(person.token) == 200


def test_before_it_has_read_any_key_it_asks_to_come_again(tmp_path: Path, person: Traveller) -> None:
    example = Example("offline", tmp_path)
    with (
        example.start(block("examples/offline/README.md", "start")) as running,
        closing(Visitor(int(example.ports[":5001"][1:]))) as visitor,
    ):
        running.wait_until(lambda: "Running on" in running.said)
        answer = visitor.get("/whoami", person.token)

        assert answer.expect(503) == {"code": "unavailable"}
        assert answer.headers["Retry-After"] == "10"


@pytest.mark.parametrize(("name", "needs"), [("plain", {"jwt"}), ("service", {"jwt", "flask", "plain"})])
def test_it_needs_nothing_of_ours(name: str, needs: set[str]) -> None:
    tree = ast.parse((ROOT / "examples" / "offline" / f"{name}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {module.partition(".")[0] for module in imported} - sys.stdlib_module_names == needs
