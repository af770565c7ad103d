"""A private S3 server."""

import http.client
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.servers.process import Server

BUCKET = "avatars"
XML_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class S3(Server):
    """An S3 server with one bucket in memory."""

    name = "s3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a flaskauth server that stores its avatars here."""
        return {
            "AWS_BUCKET": BUCKET,
            "AWS_KEY_ID": "key-of-the-tests",
            "AWS_SECRET_KEY": "k3yZx-a-secret-of-the-tests",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}

    def command(self) -> Sequence[str | Path]:
        return [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(self.port)]

    def is_ready(self) -> bool:
        """Create the bucket, and return True on success."""
        with suppress(OSError, http.client.HTTPException):
            return self._request("PUT", f"/{BUCKET}")[0] == 200
        return False

    def put(self, key: str, contents: bytes) -> None:
        """Store an object directly, not through flaskauth."""
        assert self._request("PUT", f"/{BUCKET}/{key}", contents)[0] == 200

    def object_keys(self) -> set[str]:
        """Return the keys of all objects."""
        listing = ET.fromstring(self._request("GET", f"/{BUCKET}")[1])
        return {key.text or "" for key in listing.iter(f"{XML_NAMESPACE}Key")}

    def _request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
