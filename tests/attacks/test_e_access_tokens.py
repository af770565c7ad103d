"""E: forged, foreign and ended access tokens, at every route that asks for one. More of them are in tests/keys."""

from tests.attacks.judging import Judge
from tests.inside import refused, statements
from tests.keys.forging import Target, joined, with_hmac
from tests.people import bearer, network
from tests.registration.asking import elsewhere

from flaskauth.foundation import clock

INVALID = (401, "invalid_token")


def target(judge: Judge) -> Target:
    ada, eve = judge.joined("ada@example.com"), judge.joined("eve@example.com")
    return Target(judge.app, ada.signed_in(elsewhere()), eve.signed_in(elsewhere()))


def forged(of: Target) -> dict[str, str]:
    """One or two of each kind."""
    now, (head, payload, signature) = int(clock.now().timestamp()), of.parts
    unsigned = {alg: joined(of.header(alg=alg), of.claims()) for alg in ("none", "nOnE", "HS256", "ES512", "RS256")}
    return {
        "E01 none": f"{unsigned['none']}.",
        "E01 nOnE": unsigned["nOnE"],
        "E03 the public key as a secret": with_hmac(unsigned["HS256"], of.public_forms()["PEM"]),
        "E05 another algorithm": f"{unsigned['ES512']}.{signature}",
        "E05 another family": f"{unsigned['RS256']}.{signature}",
        "E07 a key from a path": of.signed(of.header(kid="../../../dev/null")),
        "E07 a key from a statement": of.signed(of.header(kid="' UNION SELECT 1 --")),
        "E09 b64": of.signed(of.header(b64=False, crit=["b64"])),
        "E11 not yet": of.signed(payload=of.claims(nbf=now + 3600)),
        "E11 made later": of.signed(payload=of.claims(iat=now + 3600)),
        "E13 another audience": of.signed(payload=of.claims(aud="https://api.example.com")),
        "E13 no audience": of.signed(payload=of.claims(aud=[])),
        "E15 another kind": of.signed(of.header(typ="refresh+jwt")),
        "E15 a refresh token": str(of.tokens["refresh_token"]),
        "E17 a claim twice": of.signed(payload=b'{"sub":"1","sub":"2"}'),
        "E19 packed": of.signed(of.header(zip="DEF")),
        "E27 psychic": f"{head}.{payload}.{'A' * 86}",
        "somebody else's claims": f"{head}.{of.others['token'].split('.')[1]}.{signature}",
        "expired": of.signed(payload=of.claims(exp=now - 3600, iat=now - 7200)),
    }


def test_e01_forged_tokens_at_every_door(judge: Judge) -> None:
    tokens = forged(target(judge))
    with judge.case(hashed=0), statements(judge.app) as told:
        for route in judge.guarded:
            for what, token in tokens.items():
                headers = {**bearer(token), **network(elsewhere())}
                answer = judge.client.open(route.path, method=route.method, json=route.body(), headers=headers)
                assert refused(answer) == INVALID, f"{route}: {what}"
        assert [statement for statement in told if "users" in statement or "sessions" in statement] == []


def test_e07_tokens_in_odd_headers(judge: Judge) -> None:
    token = judge.joined().signed_in(elsewhere())["token"]
    headers = (
        f"Bearer={token}",
        f"Bearer, {token}",
        f"{token}",
        f"Basic {token}",
        f"Bearer {token} x",
        f"Bearer\t{token}",
    )
    with judge.case(hashed=0):
        for value in (*headers, "Bearer", "Bearer ", "Bearer \xff", "Negotiate", "x" * 8000, 'Digest username="x"'):
            answer = judge.client.get("/users/profile", headers={"Authorization": value})
            assert refused(answer) == INVALID, value[:20]
        for more in ({"query_string": {"access_token": token, "token": token}}, {"headers": {"X-Access-Token": token}}):
            assert refused(judge.client.get("/users/profile", **more)) == INVALID


def test_e21_a_session_that_ended_at_every_door(judge: Judge) -> None:
    token = judge.joined().signed_in(elsewhere())["token"]
    assert judge.client.post("/auth/logout", headers=bearer(token)).status_code == 200
    with judge.case(hashed=0):
        for route in judge.guarded:
            headers = {**bearer(token), **network(elsewhere())}
            answer = judge.client.open(route.path, method=route.method, json=route.body(), headers=headers)
            assert refused(answer) == INVALID, route


def test_e29_what_is_published(judge: Judge) -> None:
    with judge.case(hashed=0):
        for key in judge.client.get("/.well-known/jwks.json").get_json()["keys"]:
            assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
