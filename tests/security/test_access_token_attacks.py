"""E: forged, foreign and expired access tokens at every route that requires one. See also tests/signing_keys."""

from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.signing_keys.forgery import ForgeryTarget, join_parts, sign_hmac
from tests.support.inspect import captured_statements, error_of
from tests.support.users import bearer, forwarded_for

from flaskauth.core import clock

INVALID_TOKEN = (401, "invalid_token")


def create_target(checker: AttackChecker) -> ForgeryTarget:
    ada, eve = checker.create_user("ada@example.com"), checker.create_user("eve@example.com")
    return ForgeryTarget(checker.app, ada.login_ok(unused_ip()), eve.login_ok(unused_ip()))


def forged_tokens(target: ForgeryTarget) -> dict[str, str]:
    """Return one or two tokens of each kind."""
    now, (head, payload, signature) = int(clock.now().timestamp()), target.parts
    unsigned = {
        alg: join_parts(target.header_with(alg=alg), target.claims_with())
        for alg in ("none", "nOnE", "HS256", "ES512", "RS256")
    }
    return {
        "E01 none": f"{unsigned['none']}.",
        "E01 nOnE": unsigned["nOnE"],
        "E03 public key as secret": sign_hmac(unsigned["HS256"], target.public_key_encodings()["PEM"]),
        "E05 other algorithm": f"{unsigned['ES512']}.{signature}",
        "E05 other key type": f"{unsigned['RS256']}.{signature}",
        "E07 path traversal in kid": target.sign(target.header_with(kid="../../../dev/null")),
        "E07 SQL injection in kid": target.sign(target.header_with(kid="' UNION SELECT 1 --")),
        "E09 b64": target.sign(target.header_with(b64=False, crit=["b64"])),
        "E11 nbf in the future": target.sign(payload=target.claims_with(nbf=now + 3600)),
        "E11 iat in the future": target.sign(payload=target.claims_with(iat=now + 3600)),
        "E13 other audience": target.sign(payload=target.claims_with(aud="https://api.example.com")),
        "E13 no audience": target.sign(payload=target.claims_with(aud=[])),
        "E15 other type": target.sign(target.header_with(typ="refresh+jwt")),
        "E15 refresh token": str(target.tokens["refresh_token"]),
        "E17 duplicate claim": target.sign(payload=b'{"sub":"1","sub":"2"}'),
        "E19 compressed": target.sign(target.header_with(zip="DEF")),
        "E27 zero signature": f"{head}.{payload}.{'A' * 86}",
        "claims of another user": f"{head}.{target.other_tokens['token'].split('.')[1]}.{signature}",
        "expired": target.sign(payload=target.claims_with(exp=now - 3600, iat=now - 7200)),
    }


def test_e01_forged_jwt_is_rejected_by_every_route(checker: AttackChecker) -> None:
    tokens = forged_tokens(create_target(checker))
    with checker.expect_only(hashes=0), captured_statements(checker.app) as statements:
        for route in checker.protected_routes:
            for description, token in tokens.items():
                headers = {**bearer(token), **forwarded_for(unused_ip())}
                response = checker.client.open(
                    route.path, method=route.method, json=route.example_body(), headers=headers
                )
                assert error_of(response) == INVALID_TOKEN, f"{route}: {description}"
        assert [statement for statement in statements if "users" in statement or "sessions" in statement] == []


def test_e07_malformed_authorization_headers_are_rejected(checker: AttackChecker) -> None:
    token = checker.create_user().login_ok(unused_ip())["token"]
    headers = (
        f"Bearer={token}",
        f"Bearer, {token}",
        f"{token}",
        f"Basic {token}",
        f"Bearer {token} x",
        f"Bearer\t{token}",
    )
    with checker.expect_only(hashes=0):
        for value in (*headers, "Bearer", "Bearer ", "Bearer \xff", "Negotiate", "x" * 8000, 'Digest username="x"'):
            response = checker.client.get("/users/profile", headers={"Authorization": value})
            assert error_of(response) == INVALID_TOKEN, value[:20]
        for arguments in (
            {"query_string": {"access_token": token, "token": token}},
            {"headers": {"X-Access-Token": token}},
        ):
            assert error_of(checker.client.get("/users/profile", **arguments)) == INVALID_TOKEN


def test_e21_token_after_logout_is_rejected_by_every_route(checker: AttackChecker) -> None:
    token = checker.create_user().login_ok(unused_ip())["token"]
    assert checker.client.post("/auth/logout", headers=bearer(token)).status_code == 200
    with checker.expect_only(hashes=0):
        for route in checker.protected_routes:
            headers = {**bearer(token), **forwarded_for(unused_ip())}
            response = checker.client.open(route.path, method=route.method, json=route.example_body(), headers=headers)
            assert error_of(response) == INVALID_TOKEN, route


def test_e29_jwks_contains_only_public_parts(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for key in checker.client.get("/.well-known/jwks.json").get_json()["keys"]:
            assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
