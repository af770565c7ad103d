"""Register, verify, sign in and refresh with the generated Python client: `python_client.py URL`."""

import json
import re
import sys
import time
from urllib.request import urlopen

from flaskauth_api_client import AuthenticatedClient, Client
from flaskauth_api_client.api.profile import get_profile
from flaskauth_api_client.api.registration import register, verify_email
from flaskauth_api_client.api.sessions import refresh_token
from flaskauth_api_client.api.sign_in import login
from flaskauth_api_client.models import Error, LoginRequest, RefreshRequest, RegisterRequest, VerifyRequest

URL = sys.argv[1]
EMAIL, PASSWORD = "python@example.com", "seven green kettles"


def read_code() -> str:
    for _ in range(100):
        with urlopen(f"{URL}/dev/mailbox.json") as response:
            for mail in json.load(response)["mails"]:
                if mail["to"] == EMAIL:
                    code: str = re.findall("[B-Z2-9]{4}-[B-Z2-9]{4}", mail["text"])[0]
                    return code
        time.sleep(0.1)
    raise TimeoutError


for language in ("en", "fr"):  # other messages than those of the document
    client = Client(base_url=URL, headers={"Accept-Language": language})
    credentials = LoginRequest(email=EMAIL, password=PASSWORD)
    if language == "en":
        names = {"first_name": "Grace", "last_name": "Hopper"}
        registration = register.sync(client=client, body=RegisterRequest(email=EMAIL, password=PASSWORD, **names))
        body = VerifyRequest(otp=read_code(), verification_id=registration.verification_id)
        assert verify_email.sync(client=client, body=body).success is True
    tokens = login.sync(client=client, body=credentials)
    next_tokens = refresh_token.sync(client=client, body=RefreshRequest(refresh_token=tokens.refresh_token))
    assert next_tokens.id > 2**32  # does not fit into 32 bits
    profile = get_profile.sync(client=AuthenticatedClient(base_url=URL, token=next_tokens.token))
    assert profile.user.email == EMAIL
    error = login.sync(client=client, body=LoginRequest(email=EMAIL, password="wrong"))
    assert isinstance(error, Error)
    assert error.code == "invalid_credentials"

# An error that the document does not list.
response = login.sync_detailed(client=client.with_headers({"X-Maintenance": "1"}), body=credentials)
assert (response.status_code, response.parsed.code) == (403, "maintenance"), response
