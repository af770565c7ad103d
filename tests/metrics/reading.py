"""What a page of metrics says."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-token-for-the-monitoring-of-this"


def values(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every value by its name and labels, as Prometheus reads them."""
    families = text_string_to_metric_families(page)
    samples: list[Any] = [sample for family in families for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def value(page: str, name: str, **labels: str) -> float:
    """One of them; 0 while nobody has counted."""
    return values(page).get((f"flaskauth_{name}", tuple(sorted(labels.items()))), 0)


def names(page: str) -> set[str]:
    return {name for name, _ in values(page)}
