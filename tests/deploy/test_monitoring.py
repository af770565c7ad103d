"""The alert rules and the dashboard use existing metrics, and every alert is documented."""

import json
import re
from typing import Any

import pytest
import yaml
from flask import Flask
from tests.conftest import MakeApp
from tests.deploy.helpers import DEPLOY
from tests.docs.code_blocks import ROOT
from tests.metrics.helpers import METRICS_TOKEN, metric_names

from flaskauth.core.errors import InternalError

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NAME = re.compile(r"\bflaskauth_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    parsed = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in parsed["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads((DEPLOY / "grafana/flaskauth.json").read_text(encoding="utf-8"))["panels"]
    return parsed


def metric_expressions() -> list[str]:
    """Return every PromQL expression of the alert rules and of the dashboard."""
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels() for target in panel["targets"]]


@pytest.fixture
def metrics_app(make_app: MakeApp) -> Flask:
    return make_app(METRICS_TOKEN=METRICS_TOKEN)


@ON_SQLITE
def test_alert_and_dashboard_metrics_exist(metrics_app: Flask) -> None:
    client = metrics_app.test_client()
    client.get("/nowhere")
    with metrics_app.app_context():
        metrics_app.extensions["flaskauth.jobs"].jobs[0].run()
    names = metric_names(client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text)

    assert {name for expression in metric_expressions() for name in NAME.findall(expression)} - names == set()


@ON_SQLITE
def test_alert_labels_name_existing_routes_and_codes(metrics_app: Flask) -> None:
    labels = dict(re.findall(r'(route|code|status)="([^"]+)"', " ".join(metric_expressions())))

    assert labels.pop("route") in {rule.rule for rule in metrics_app.url_map.iter_rules()}
    assert labels == {"code": InternalError.code, "status": "5xx"}


def test_alert_expressions_have_balanced_brackets() -> None:
    for expression in metric_expressions():
        assert [expression.count(bracket) for bracket in "({["] == [expression.count(bracket) for bracket in ")}]"], (
            expression
        )
        assert expression.count('"') % 2 == 0, expression


def test_every_alert_is_documented() -> None:
    page = (ROOT / "docs/operations/maintenance.md").read_text(encoding="utf-8")
    documented = re.findall(r"^### (Flaskauth\w+)$", page, re.MULTILINE)

    assert documented == [rule["alert"] for rule in rules()]
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}


@ON_SQLITE
def test_prometheus_scrape_config_uses_the_metrics_route(metrics_app: Flask) -> None:
    [job] = yaml.safe_load((DEPLOY / "prometheus/scrape.yaml").read_text(encoding="utf-8"))["scrape_configs"]

    assert job["metrics_path"] in {rule.rule for rule in metrics_app.url_map.iter_rules()}
    assert job["job_name"] in rules()[0]["expr"]
    assert set(job["static_configs"][0]["targets"]) == {"api-1:8000", "api-2:8000"}
