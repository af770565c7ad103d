"""I: somebody else's profile, fields that nobody may write, and addresses that a cache would keep."""

from tests.attacks.judging import Judge
from tests.inside import refused
from tests.people import bearer, network
from tests.registration.asking import elsewhere

INVALID, NOT_FOUND = (422, "invalid_input"), (404, "not_found")
TRICKS = (
    *(
        "/users/profile/a.css",
        "/users/profile%2fa.js",
        "/users/profile;x.css",
        "/users/profile.json",
        "/users/profile/",
    ),
    *("/users//profile", "//users/profile", "/./users/profile", "/users/../users/profile", "/USERS/profile"),
    *("/users/profile%00.css", "/users/profile%0a", "/users/profile.", "/users/profile%20", "/users\\profile"),
    *("/users/profile%3f.css", "/users/profile%23.css", "/users/%70rofile/x", "/users/profile/..%2f..", "/users/2"),
)


def test_i01_somebody_elses_profile(judge: Judge) -> None:
    eve = judge.joined("eve@example.com").signed_in(elsewhere())["user"]["id"]
    headers = {"X-User-Id": str(eve), "X-Forwarded-User": "eve@example.com", "X-Original-URL": f"/users/{eve}"}
    with judge.case(hashed=0):
        for query in ({"id": str(eve)}, {"user_id": str(eve)}, {"email": "eve@example.com"}, {"sub": str(eve)}):
            answer = judge.client.get(
                "/users/profile", query_string=query, headers={**headers, **bearer(judge.caller.token)}
            )
            assert answer.get_json()["user"]["email"] == judge.bystander.email
        for path in (f"/users/{eve}", f"/users/profile/{eve}", f"/users/{eve}/profile", "/users", "/users/"):
            assert refused(judge.client.get(path, headers=bearer(judge.caller.token))) == NOT_FOUND


def test_i03_countries_that_are_none(judge: Judge) -> None:
    headers = bearer(judge.caller.token)
    with judge.case(hashed=0):
        for country_id in (-1, 0, 1, 9, 999, 2**31, 2**53 - 1, 2**63, "566", 566.0, None, True, [566], {"id": 566}):
            answer = judge.client.post("/users/edit", json={"country_id": country_id}, headers=headers)
            assert refused(answer) == INVALID, country_id
        for country in ("XX", "zz", "NGA", "\uff2e\uff27", "N\u0261", "\u00df\u00df", "' ", 566, ["NG"]):
            answer = judge.client.post("/users/edit", json={"country": country}, headers=headers)
            assert refused(answer) == INVALID, country


def test_i05_fields_that_nobody_may_write(judge: Judge) -> None:
    headers = bearer(judge.caller.token)
    names = (
        "id",
        "email",
        "address",
        "password",
        "is_verified",
        "avatar",
        "role",
        "disabled_at",
        "closes_at",
        "created_at",
    )
    with judge.case(hashed=0):
        for name in names:
            body = {"first_name": "Ada", name: "1"}
            assert refused(judge.client.post("/users/edit", json=body, headers=headers)) == INVALID, name


def test_i07_addresses_that_a_cache_would_keep(judge: Judge) -> None:
    with judge.case(hashed=0):
        for path in TRICKS:
            headers = {**bearer(judge.caller.token), **network(elsewhere())}
            answer = judge.client.get(path, headers=headers)
            assert refused(answer) == NOT_FOUND, path
            assert answer.headers["Cache-Control"] == "no-store"


def test_i11_an_account_that_is_closed_without_its_password(judge: Judge) -> None:
    tokens = judge.joined("ada@example.com").signed_in(elsewhere())
    newer = judge.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).get_json()["token"]
    with judge.case(hashed=0):
        answer = judge.client.delete("/users/account", headers=bearer(newer))
        assert refused(answer) == (403, "reauthentication_required")
        for method in ("POST", "PUT", "PATCH", "GET"):
            answer = judge.client.open("/users/account", method=method, headers=bearer(tokens["token"]))
            assert refused(answer) == (405, "method_not_allowed")


def test_i13_an_export_that_opens_a_door(judge: Judge) -> None:
    token = judge.joined("ada@example.com").signed_in(elsewhere())["token"]
    with judge.case(hashed=0, events={"account_exported"}):
        told = judge.client.get("/users/export", headers=bearer(token)).text
        assert [secret for secret in judge.secrets if secret in told] == []
        assert "$argon2" not in told
