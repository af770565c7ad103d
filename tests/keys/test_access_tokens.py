"""What an access token says, and how others verify it with the public keys alone."""

import re
from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import rows
from tests.keys.reading import ORDER, Json, claims, decode, header, is_signed, number, thumbprint, verified
from tests.people import People

from flaskauth.foundation import clock
from flaskauth.keys.models import SigningKey
from flaskauth.keys.ring import ring


def public_keys(app: Flask) -> Json:
    found: Json = app.test_client().get("/.well-known/jwks.json").get_json()
    return found


def test_it_says_who_may_do_what_until_when(app: Flask) -> None:
    before = clock.now().timestamp()
    welcome = People(app).joined().signed_in()
    said = verified(welcome["token"], public_keys(app))

    assert header(welcome["token"]) == {"alg": "ES256", "typ": "at+jwt", "kid": public_keys(app)["keys"][0]["kid"]}
    made = said.pop("iat")
    assert before - 1 <= said.pop("auth_time") <= made <= clock.now().timestamp()
    assert said.pop("exp") == said.pop("fresh_until") == made + 600
    assert re.fullmatch(r"[\w-]{22}", said.pop("jti"))
    assert said == {
        "iss": "http://localhost:5000",
        "aud": "http://localhost:5000",
        "sub": str(welcome["user"]["id"]),
        "client_id": "flaskauth",
        "sid": welcome["refresh_token"].split(".")[0],
    }


def test_a_refreshed_token_says_the_same_but_when_and_never_that_it_is_fresh(app: Flask) -> None:
    people = People(app)
    welcome = people.joined().signed_in()
    clock.travel(timedelta(minutes=7))
    refreshed = people.client.post("/auth/refresh", json={"refresh_token": welcome["refresh_token"]}).get_json()
    first, second = claims(welcome["token"]), verified(refreshed["token"], public_keys(app))

    changed = {name for name in first if first[name] != second.get(name)}
    assert changed == {"iat", "exp", "jti", "fresh_until"}
    assert "fresh_until" not in second
    assert second["exp"] - first["exp"] in range(420, 425)


def test_issuer_audience_and_life_are_settings(make_app: MakeApp) -> None:
    app = make_app(PUBLIC_URL="https://auth.example.com/", JWT_AUDIENCE="https://api.example.com", JWT_DURATION="3")
    said = claims(People(app).joined().signed_in()["token"])

    assert (said["iss"], said["aud"]) == ("https://auth.example.com", "https://api.example.com")
    assert said["exp"] - said["iat"] == 180


def test_a_token_is_good_until_its_end_and_not_a_second_longer(people: People) -> None:
    token = people.joined().signed_in()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    clock.travel(timedelta(minutes=9, seconds=55))
    assert people.client.get("/users/profile", headers=headers).status_code == 200

    clock.travel(timedelta(seconds=6))
    assert people.client.get("/users/profile", headers=headers).status_code == 401


def test_the_scheme_is_read_in_any_case(people: People) -> None:
    token = people.joined().signed_in()["token"]
    told = {
        scheme: people.client.get("/users/profile", headers={"Authorization": f"{scheme} {token}"}).status_code
        for scheme in ("Bearer", "bearer", "BEARER", "Basic", "Token", "JWT", "DPoP")
    }

    assert [scheme for scheme, status in told.items() if status == 200] == ["Bearer", "bearer", "BEARER"]
    assert set(told.values()) == {200, 401}


def test_a_token_anywhere_else_is_none(people: People) -> None:
    token = people.joined().signed_in()["token"]
    people.client.set_cookie("Authorization", f"Bearer {token}")
    people.client.set_cookie("token", token)

    for path in (f"/users/profile?token={token}", f"/users/profile?access_token={token}", "/users/profile"):
        answer = people.client.get(path, headers={"X-Access-Token": token})
        assert (answer.status_code, answer.get_json()["message"]) == (401, "Authorization token required")


def test_signatures_have_one_form(app: Flask) -> None:
    person = People(app).joined()
    tokens = [person.sign_in(at=f"192.0.2.{number}").get_json()["token"] for number in range(6)]

    assert all(number(decode(token.split(".")[2])[32:]) <= ORDER // 2 for token in tokens)
    assert all(is_signed(token, public_keys(app)) for token in tokens)


def test_the_public_keys_are_public_only(app: Flask) -> None:
    answer = app.test_client().get("/.well-known/jwks.json")
    [key] = answer.get_json()["keys"]

    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert (len(decode(key["x"])), len(decode(key["y"]))) == (32, 32)
    assert key["kid"] == thumbprint(key)
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert list(answer.get_json()) == ["keys"]


def test_the_private_part_is_stored_sealed(app: Flask) -> None:
    app.test_client().get("/hello")
    [row] = rows(app, select(SigningKey))
    with app.app_context():
        secret = ring().signer().private.private_numbers().private_value.to_bytes(32, "big")

    assert secret not in row.sealed
    assert secret.hex() not in str(vars(row))
