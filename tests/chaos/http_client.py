"""Make one call over HTTP on a new connection and record it in the history."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPException
from itertools import count
from typing import Any

from tests.chaos.history import UNREACHED, Call, History
from tests.e2e.http_client import HttpClient, HttpResponse

Facts = dict[str, Any]
FactExtractor = Callable[[Any], Facts]

_request_numbers = count()


@dataclass(frozen=True)
class ApiRequest:
    """A request, and facts for its record. `extract_facts` reads more facts from a successful response."""

    action: str
    path: str
    body: Mapping[str, Any] | None = None
    token: str = ""
    extract_facts: FactExtractor = lambda body: {}
    facts: Mapping[str, Any] | None = None

    @property
    def method(self) -> str:
        return "GET" if self.body is None and self.action == "profile" else "POST"


@dataclass(frozen=True)
class RecordingClient:
    """Sends requests to the servers in turn and records the calls."""

    ports: tuple[int, ...]
    history: History

    def send(self, user: str, network: str, request: ApiRequest) -> tuple[Call, Any]:
        """Send a request and record the call. Return it with the response body (None without a response)."""
        server = next(_request_numbers) % len(self.ports)
        call = Call(user, request.action, time.monotonic(), server=server, **(request.facts or {}))
        response_facts, body = self._send_to(server, network, request)
        facts = request.extract_facts(body) if response_facts["status"] == 200 else {}
        return self.history.add(replace(call, ended_at=time.monotonic(), **response_facts, **facts)), body

    def _send_to(self, server: int, network: str, request: ApiRequest) -> tuple[Facts, Any]:
        with closing(HttpClient(self.ports[server], network)) as http_client:
            try:
                response = (
                    http_client.get(request.path, request.token)
                    if request.method == "GET"
                    else http_client.post(request.path, request.body, request.token)
                )
            except ConnectionRefusedError:
                return {"status": 0, "reason": UNREACHED}, None
            except (OSError, HTTPException) as error:
                return {"status": 0, "reason": type(error).__name__}, None
        return _response_facts(response)


def _response_facts(response: HttpResponse) -> tuple[Facts, Any]:
    try:
        body = response.body
    except json.JSONDecodeError:
        body = {}
    reason = "" if response.status == 200 else body.get("code", "no JSON")
    return {"status": response.status, "reason": reason, "has_retry_after": "Retry-After" in response.headers}, body
