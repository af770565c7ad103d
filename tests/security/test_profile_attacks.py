"""I: profiles of other users, protected fields, web cache deception."""

from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.users import bearer, forwarded_for

VALIDATION_FAILED, NOT_FOUND = (422, "validation_failed"), (404, "not_found")
CACHE_DECEPTION_PATHS = (
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


def test_i01_profile_of_another_user_is_not_accessible(checker: AttackChecker) -> None:
    other_user_id = checker.create_user("eve@example.com").login_ok(unused_ip())["user"]["id"]
    headers = {
        "X-User-Id": str(other_user_id),
        "X-Forwarded-User": "eve@example.com",
        "X-Original-URL": f"/users/{other_user_id}",
    }
    with checker.expect_only(hashes=0):
        for query in (
            {"id": str(other_user_id)},
            {"user_id": str(other_user_id)},
            {"email": "eve@example.com"},
            {"sub": str(other_user_id)},
        ):
            response = checker.client.get(
                "/users/profile", query_string=query, headers={**headers, **bearer(checker.api_client.token)}
            )
            assert response.get_json()["user"]["email"] == checker.unrelated_user.email
        for path in (
            f"/users/{other_user_id}",
            f"/users/profile/{other_user_id}",
            f"/users/{other_user_id}/profile",
            "/users",
            "/users/",
        ):
            assert error_of(checker.client.get(path, headers=bearer(checker.api_client.token))) == NOT_FOUND


def test_i03_invalid_countries_are_rejected(checker: AttackChecker) -> None:
    headers = bearer(checker.api_client.token)
    with checker.expect_only(hashes=0):
        for country_id in (-1, 0, 1, 9, 999, 2**31, 2**53 - 1, 2**63, "566", 566.0, None, True, [566], {"id": 566}):
            response = checker.client.post("/users/edit", json={"country_id": country_id}, headers=headers)
            assert error_of(response) == VALIDATION_FAILED, country_id
        for country in ("XX", "zz", "NGA", "\uff2e\uff27", "N\u0261", "\u00df\u00df", "' ", 566, ["NG"]):
            response = checker.client.post("/users/edit", json={"country": country}, headers=headers)
            assert error_of(response) == VALIDATION_FAILED, country


def test_i05_mass_assignment_of_protected_fields_is_rejected(checker: AttackChecker) -> None:
    headers = bearer(checker.api_client.token)
    names = (
        "id",
        "email",
        "normalized_email",
        "password",
        "is_verified",
        "avatar",
        "role",
        "disabled_at",
        "deletion_due_at",
        "created_at",
    )
    with checker.expect_only(hashes=0):
        for name in names:
            body = {"first_name": "Ada", name: "1"}
            assert error_of(checker.client.post("/users/edit", json=body, headers=headers)) == VALIDATION_FAILED, name


def test_i07_web_cache_deception_paths_are_not_found(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for path in CACHE_DECEPTION_PATHS:
            headers = {**bearer(checker.api_client.token), **forwarded_for(unused_ip())}
            response = checker.client.get(path, headers=headers)
            assert error_of(response) == NOT_FOUND, path
            assert response.headers["Cache-Control"] == "no-store"


def test_i11_delete_account_requires_reauthentication(checker: AttackChecker) -> None:
    tokens = checker.create_user("ada@example.com").login_ok(unused_ip())
    newer = checker.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).get_json()["token"]
    with checker.expect_only(hashes=0):
        response = checker.client.delete("/users/account", headers=bearer(newer))
        assert error_of(response) == (403, "reauthentication_required")
        for method in ("POST", "PUT", "PATCH", "GET"):
            response = checker.client.open("/users/account", method=method, headers=bearer(tokens["token"]))
            assert error_of(response) == (405, "method_not_allowed")


def test_i13_data_export_contains_no_secrets(checker: AttackChecker) -> None:
    token = checker.create_user("ada@example.com").login_ok(unused_ip())["token"]
    with checker.expect_only(hashes=0, events={"account_exported"}):
        export = checker.client.get("/users/export", headers=bearer(token)).text
        assert [secret for secret in checker.secrets if secret in export] == []
        assert "$argon2" not in export
