from flask.testing import FlaskClient
from tests.support.users import GRACE, PASSWORD, Mailbox, UserFactory, bearer


def test_register_verify_login_refresh_and_logout(client: FlaskClient, mailbox: Mailbox) -> None:
    registered = client.post("/auth/register", json={**GRACE, "country": "NG"})
    assert registered.status_code == 200
    assert registered.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Registration Successful, check your email for OTP code to verify your account",
        "verification_id": registered.get_json()["verification_id"],
    }

    early_login = client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})
    assert (early_login.status_code, early_login.get_json()["code"]) == (401, "invalid_credentials")

    verified = client.post("/auth/verify", json={"otp": mailbox.code("grace@example.com")})
    assert verified.get_json()["message"] == "Verification Successful! Login to your account"

    login = client.post("/auth/login", json={"email": "Grace@Example.com", "password": PASSWORD}).get_json()
    assert login["message"] == "Login Successful, Welcome Back"
    assert login["user"]["country"] == {"id": 566, "name": "Nigeria", "code": "NG"}

    profile = client.get("/users/profile", headers=bearer(login["token"]))
    assert profile.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Profile Details",
        "user": login["user"],
    }

    refreshed = client.post("/auth/refresh", json={"refresh_token": login["refresh_token"]}).get_json()
    assert (refreshed["message"], refreshed["id"]) == ("Token Successfully refreshed", login["user"]["id"])

    assert client.post("/auth/logout", headers=bearer(refreshed["token"])).status_code == 200
    profile_after_logout = client.get("/users/profile", headers=bearer(refreshed["token"]))
    assert (profile_after_logout.status_code, profile_after_logout.get_json()["message"]) == (401, "Invalid token")


def test_user_factory_creates_verified_user(users: UserFactory) -> None:
    assert users.create_verified().login_ok()["user"]["email"] == "grace@example.com"
