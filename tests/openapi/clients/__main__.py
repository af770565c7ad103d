"""Check the OpenAPI document with linters, generated clients and a browser: `python -m tests.openapi.clients`.

Installs the tools from npm and PyPI into a temporary folder. Needs Node.js with npm, and Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

from flask import Flask, request
from tests.servers.install_chromium import find_chromium
from werkzeug.serving import make_server

from flaskauth import Settings, create_app
from flaskauth.core.errors import Forbidden

FOLDER = Path(__file__).parent
PYTHON_TOOLS = ("openapi-python-client>=0.26", "playwright>=1.50", "ruff")
MAX_MODELS = 120  # 388 before second factors, when each operation had its own models of errors


class Maintenance(Forbidden):
    """An error that the OpenAPI document does not list, such as one of a later version."""

    code = "maintenance"
    message = "Maintenance until noon."


def create_changed_app(folder: Path) -> Flask:
    """Return the server with an error of the application, for requests with the header X-Maintenance."""
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, folder / "no.env"))

    @app.before_request
    def reject() -> None:
        if "X-Maintenance" in request.headers:
            raise Maintenance

    return app


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """Serve the application on a free loopback port and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def run(*command: object, folder: Path) -> None:
    """Run a command, and end the program with its output if it fails."""
    print("+", *command, flush=True)
    arguments = [str(part) for part in command]
    process = subprocess.run(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if process.returncode:
        sys.exit(process.stdout)


def lint(folder: Path, node_bin: Path) -> None:
    """Run the linters with their recommended rules. A warning fails."""
    (folder / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    run(node_bin / "redocly", "lint", "openapi.json", "--extends=recommended-strict", folder=folder)
    run(node_bin / "spectral", "lint", "-r", "spectral.yaml", "--fail-severity=hint", "openapi.json", folder=folder)


def check_python_client(folder: Path, python_bin: Path, url: str) -> None:
    """Generate the Python client and use it."""
    generator = python_bin / "openapi-python-client"
    run(generator, "generate", "--path", "openapi.json", "--output-path", "python", folder=folder)
    models = len(list((folder / "python/flaskauth_api_client/models").glob("*.py"))) - 1
    print(models, "models in the Python client")
    assert models <= MAX_MODELS
    shutil.copy(FOLDER / "python_client.py", folder / "python")
    run(python_bin / "python", "python_client.py", url, folder=folder / "python")


def check_typescript_client(folder: Path, node_bin: Path, url: str) -> None:
    """Generate the TypeScript types and use them with openapi-fetch."""
    run(node_bin / "openapi-typescript", "openapi.json", "-o", "api.d.ts", folder=folder)
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    run(node_bin / "tsc", *options, "typescript_client.ts", folder=folder)
    run("node", "typescript_client.js", url, folder=folder)


def main() -> None:
    chromium = find_chromium() or sys.exit("Install Chromium.")
    with redirect_stderr(StringIO()), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        node_bin, python_bin = folder / "node_modules/.bin", folder / "tools/bin"
        for file in ("package.json", "typescript_client.ts"):
            shutil.copy(FOLDER / file, folder)
        run("npm", "install", "--no-audit", "--no-fund", folder=folder)
        run(sys.executable, "-m", "uv", "venv", "tools", folder=folder)
        run(
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--python",
            python_bin / "python",
            *PYTHON_TOOLS,
            folder=folder,
        )
        app = create_changed_app(folder)
        (folder / "openapi.json").write_bytes(app.test_client().get("/openapi.json").data)
        with serve(app) as url:
            lint(folder, node_bin)
            check_python_client(folder, python_bin, url)
            check_typescript_client(folder, node_bin, url)
            axe = folder / "node_modules/axe-core/axe.min.js"
            run(python_bin / "python", FOLDER / "accessibility.py", url, axe, chromium, folder=folder)
    print("No findings.")


if __name__ == "__main__":
    main()
