"""Without the optional dependencies everything else works, and what needs them names the extra."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers import free_port

# An interpreter in which these packages are not installed.
WITHOUT_EXTRAS = """
import sys
sys.modules.update(dict.fromkeys(("granian", "celery", "kombu", "billiard", "obstore", "PIL")))
"""
APPLICATION = """
from flask import Flask
import flaskauth
from flaskauth.settings import Settings

app = flaskauth.create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": "data"}))
assert app.test_client().get("/countries").status_code == 200
host = Flask("host")
flaskauth.mount(host, app, "/accounts")
client = host.test_client()
assert client.get("/accounts/hello").get_json() == {"message": "Hello It Works"}
user = {"email": "grace@example.com", "password": "seven green kettles", "first_name": "Grace", "last_name": "Hopper"}
assert client.post("/accounts/auth/register", json=user).status_code == 200
"""
UPLOAD = """
import re, time
import flaskauth
from io import BytesIO
from flaskauth.settings import Settings

client = flaskauth.create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": "data"})).test_client()
user = {"email": "grace@example.com", "password": "seven green kettles"}
client.post("/auth/register", json={**user, "first_name": "Grace", "last_name": "Hopper"})
while not (mails := client.get("/dev/mailbox.json").get_json()["mails"]):
    time.sleep(0.02)
client.post("/auth/verify", json={"otp": re.search("[B-Z2-9]{4}-[B-Z2-9]{4}", mails[0]["text"])[0]})
token = client.post("/auth/login", json=user).get_json()["token"]
form = {"avatar": (BytesIO(b"x"), "me.png")}
response = client.put("/users/avatar", data=form, headers={"Authorization": f"Bearer {token}"})
print(response.status_code, response.get_json()["code"], response.get_json()["message"])
print(client.get("/avatars/" + "a" * 22 + ".webp").status_code)
"""
COMMAND = """
from flaskauth.cli.main import main
main({arguments})
"""


def run_without_extras(folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS + program],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_application_works_without_extras(tmp_path: Path) -> None:
    process = run_without_extras(tmp_path, APPLICATION)

    assert process.returncode == 0, process.stderr


def test_avatar_upload_without_extra_names_it(tmp_path: Path) -> None:
    process = run_without_extras(tmp_path, UPLOAD)

    assert process.stdout.splitlines() == [
        "503 unavailable Avatars are not available because the extra avatars is not installed:"
        " pip install 'flaskauth-server[avatars]'",
        "503",
    ], process.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "extra"),
    [
        (["serve"], {}, "serve"),
        (["db", "upgrade"], {"REDIS_URL": "redis://127.0.0.1:1/0"}, "worker"),
        (["serve"], {"FLASKAUTH_ENV": "production", "AWS_BUCKET": "kettles"}, "serve"),
        (["db", "upgrade"], {"FLASKAUTH_ENV": "production", "AWS_BUCKET": "kettles"}, "avatars"),
    ],
)
def test_command_without_extra_names_it(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], extra: str
) -> None:
    process = run_without_extras(tmp_path, COMMAND.format(arguments=arguments), **environment)

    assert f"pip install 'flaskauth-server[{extra}]'" in process.stderr
    assert "Traceback" not in process.stderr
    assert process.returncode == 1


def test_doctor_works_without_extras(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    environment = {"PUBLIC_URL": f"http://localhost:{free_port()}"}
    process = run_without_extras(tmp_path, COMMAND.format(arguments=["doctor"]), **environment)

    assert (process.returncode, process.stderr) == (0, "")
