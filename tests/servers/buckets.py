"""A private server that speaks S3."""

import http.client
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.servers.process import Server

BUCKET = "pictures"
NAMES = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class S3(Server):
    """One bucket, in memory: what it holds ends with it."""

    name = "s3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an installation that keeps its pictures here."""
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

    def answers(self) -> bool:
        """Whether there is a bucket now."""
        with suppress(OSError, http.client.HTTPException):
            return self._ask("PUT", f"/{BUCKET}")[0] == 200
        return False

    def put(self, key: str, contents: bytes) -> None:
        """Put something there that is not from the server that is tested."""
        assert self._ask("PUT", f"/{BUCKET}/{key}", contents)[0] == 200

    def names(self) -> set[str]:
        """The names of all that it holds."""
        listing = ET.fromstring(self._ask("GET", f"/{BUCKET}")[1])
        return {key.text or "" for key in listing.iter(f"{NAMES}Key")}

    def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
