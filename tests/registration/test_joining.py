from flask.testing import FlaskClient
from tests.people import GRACE, PASSWORD, Mailbox, People, bearer


def test_from_registration_to_profile(client: FlaskClient, mailbox: Mailbox) -> None:
    asked = client.post("/auth/register", json={**GRACE, "country": "NG"})
    assert asked.status_code == 200
    assert asked.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Registration Successful, check your email for OTP code to verify your account",
        "verification_id": asked.get_json()["verification_id"],
    }

    early = client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})
    assert (early.status_code, early.get_json()["code"]) == (401, "wrong_credentials")

    proven = client.post("/auth/verify", json={"otp": mailbox.code("grace@example.com")})
    assert proven.get_json()["message"] == "Verification Successful! Login to your account"

    welcome = client.post("/auth/login", json={"email": "Grace@Example.com", "password": PASSWORD}).get_json()
    assert welcome["message"] == "Login Successful, Welcome Back"
    assert welcome["user"]["country"] == {"id": 566, "name": "Nigeria", "code": "NG"}

    profile = client.get("/users/profile", headers=bearer(welcome["token"]))
    assert profile.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Profile Details",
        "user": welcome["user"],
    }

    again = client.post("/auth/refresh", json={"refresh_token": welcome["refresh_token"]}).get_json()
    assert (again["message"], again["id"]) == ("Token Successfully refreshed", welcome["user"]["id"])

    assert client.post("/auth/logout", headers=bearer(again["token"])).status_code == 200
    gone = client.get("/users/profile", headers=bearer(again["token"]))
    assert (gone.status_code, gone.get_json()["message"]) == (401, "Invalid token")


def test_people_join(people: People) -> None:
    assert people.joined().signed_in()["user"]["email"] == "grace@example.com"
