"""GET /countries and GET /regions: reference data for forms."""

from flaskauth.core.http.request import Blueprint, cached, public
from flaskauth.countries import service
from flaskauth.countries.schemas import CountriesResponse, RegionsResponse

bp = Blueprint("countries", __name__, tag="Reference")


@bp.get("/countries")
@public
@cached(seconds=600)
@bp.output(CountriesResponse)
def countries() -> dict[str, object]:
    """List the ISO 3166-1 countries by name."""
    return {"countries": service.list_countries()}


@bp.get("/regions")
@public
@cached(seconds=600)
@bp.output(RegionsResponse)
def regions() -> dict[str, object]:
    """List the UN M49 regions, each with its parent region."""
    return {"regions": service.list_regions()}
