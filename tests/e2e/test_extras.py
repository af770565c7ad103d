"""Without the optional dependencies everything else works, and what needs them names the extra."""

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.servers import free_port

# One interpreter in which the packages of the extras are not installed runs everything: imports take most of the time.
PROGRAM = """
import json, os, re, sys, time
from io import BytesIO

sys.modules.update(dict.fromkeys(("granian", "celery", "kombu", "billiard", "obstore", "PIL")))

from click.testing import CliRunner
from flask import Flask
import flaskauth
from flaskauth.cli.main import main

def run(arguments, environment):
    result = CliRunner().invoke(main, arguments, env=environment)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return [result.exit_code, result.stderr, result.stdout]

def upload():
    host = Flask("host")
    flaskauth.mount(host, flaskauth.create_app(), "/accounts")
    client = host.test_client()
    user = {"email": "grace@example.com", "password": "seven green kettles"}
    client.post("/accounts/auth/register", json={**user, "first_name": "Grace", "last_name": "Hopper"})
    while not (mails := client.get("/accounts/dev/mailbox.json").get_json()["mails"]):
        time.sleep(0.02)
    client.post("/accounts/auth/verify", json={"otp": re.search("[B-Z2-9]{4}-[B-Z2-9]{4}", mails[0]["text"])[0]})
    headers = {"Authorization": "Bearer " + client.post("/accounts/auth/login", json=user).get_json()["token"]}
    put = client.put("/accounts/users/avatar", data={"avatar": (BytesIO(b"x"), "me.png")}, headers=headers)
    client.post("/accounts/sign-in", data=user, headers={"Sec-Fetch-Site": "same-origin"})
    links = re.findall('/account/(profile|avatar)"', client.get("/accounts/account").text)
    body, status = put.get_json(), [put.status_code, put.headers.get("Retry-After")]
    image = client.get("/accounts/avatars/" + "a" * 22 + ".webp")
    return [links, body["code"], body["message"], status, image.status_code]

commands = [run(*command) for command in json.loads(sys.argv[1])]
open(".env", "w").close()
print(json.dumps({"commands": commands, "doctor": run(["doctor"], {}), "upload": upload()}))
"""
COMMANDS: list[tuple[list[str], dict[str, str], str]] = [
    (["serve"], {}, "serve"),
    (["db", "upgrade"], {"REDIS_URL": "redis://127.0.0.1:1/0"}, "worker"),
    (["serve"], {"FLASKAUTH_ENV": "production", "AWS_BUCKET": "kettles"}, "serve"),
    (["db", "upgrade"], {"FLASKAUTH_ENV": "production", "AWS_BUCKET": "kettles"}, "avatars"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("extras")
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([command[:2] for command in COMMANDS])],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PUBLIC_URL": f"http://localhost:{free_port()}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    parsed: dict[str, Any] = json.loads(process.stdout)
    return parsed


def test_mounted_server_without_extras_works_but_avatars(results: dict[str, Any]) -> None:
    rejected = ["not_supported", "This server does not support avatars.", [501, None], 501]
    assert results["upload"] == [["profile"], *rejected]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_command_without_extra_names_it(results: dict[str, Any], number: int) -> None:
    exit_code, stderr, _stdout = results["commands"][number]

    assert f"pip install 'flaskauth-server[{COMMANDS[number][2]}]'" in stderr
    assert exit_code == 1


def test_doctor_works_without_extras_and_warns(results: dict[str, Any]) -> None:
    exit_code, stderr, stdout = results["doctor"]

    assert (exit_code, stderr) == (0, "")
    assert "pip install 'flaskauth-server[avatars]'" in " ".join(stdout.split())
