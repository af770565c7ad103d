"""The alerts and the dashboard ask for what /metrics tells, and each alert has a paragraph."""

import json
import re
from typing import Any

import pytest
import yaml
from flask import Flask
from tests.conftest import MakeApp
from tests.deploying.reading import DEPLOY
from tests.documentation.blocks import ROOT
from tests.metrics.reading import TOKEN, names

from flaskauth.foundation.errors import InternalError

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NAME = re.compile(r"\bflaskauth_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana/flaskauth.json").read_text(encoding="utf-8"))["panels"]
    return found


def asked() -> list[str]:
    """Every expression of the alerts and of the dashboard."""
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels() for target in panel["targets"]]


@pytest.fixture
def measured(make_app: MakeApp) -> Flask:
    return make_app(METRICS_TOKEN=TOKEN)


@ON_SQLITE
def test_whatever_is_asked_for_is_told(measured: Flask) -> None:
    client = measured.test_client()
    client.get("/nowhere")
    with measured.app_context():
        measured.extensions["flaskauth.jobs"].jobs[0].run()
    told = names(client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text)

    assert {name for expression in asked() for name in NAME.findall(expression)} - told == set()


@ON_SQLITE
def test_routes_and_codes_that_are_named_exist(measured: Flask) -> None:
    labels = dict(re.findall(r'(route|code|status)="([^"]+)"', " ".join(asked())))

    assert labels.pop("route") in {rule.rule for rule in measured.url_map.iter_rules()}
    assert labels == {"code": InternalError.code, "status": "5xx"}


def test_parentheses_and_quotes_are_closed() -> None:
    for expression in asked():
        assert [expression.count(one) for one in "({["] == [expression.count(one) for one in ")}]"], expression
        assert expression.count('"') % 2 == 0, expression


def test_every_alert_has_a_paragraph_and_no_other() -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    told = re.findall(r"^### (Flaskauth\w+)$", page, re.MULTILINE)

    assert told == [rule["alert"] for rule in rules()]
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}


@ON_SQLITE
def test_prometheus_asks_where_they_are_told(measured: Flask) -> None:
    [job] = yaml.safe_load((DEPLOY / "prometheus/scrape.yaml").read_text(encoding="utf-8"))["scrape_configs"]

    assert job["metrics_path"] in {rule.rule for rule in measured.url_map.iter_rules()}
    assert job["job_name"] in rules()[0]["expr"]
    assert set(job["static_configs"][0]["targets"]) == {"api-1:8000", "api-2:8000"}
