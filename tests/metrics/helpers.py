"""Parse a page of metrics."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

METRICS_TOKEN = "a-token-for-the-monitoring-of-this"


def metric_values(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every value by name and labels, parsed as Prometheus does."""
    families = text_string_to_metric_families(page)
    samples: list[Any] = [sample for family in families for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def metric_value(page: str, name: str, **labels: str) -> float:
    """Return the value of one metric, or 0 if it has no value yet."""
    return metric_values(page).get((f"flaskauth_{name}", tuple(sorted(labels.items()))), 0)


def metric_names(page: str) -> set[str]:
    return {name for name, _ in metric_values(page)}
