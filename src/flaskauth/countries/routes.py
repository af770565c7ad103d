"""GET /countries and GET /regions: reference data for forms."""

from flaskauth.core.http.request import Blueprint, cached, public
from flaskauth.countries import service
from flaskauth.countries.schemas import CountriesResponse, RegionsResponse

bp = Blueprint("countries", __name__, tag="Reference")


@bp.get("/countries")
@public
@cached(seconds=600)
@bp.output(CountriesResponse)
def list_countries() -> dict[str, object]:
    """List the ISO 3166-1 countries by name.

    The id of a country is its ISO 3166-1 number; `region_id` refers to a region.
    """
    return {"countries": service.list_countries()}


@bp.get("/regions")
@public
@cached(seconds=600)
@bp.output(RegionsResponse)
def list_regions() -> dict[str, object]:
    """List the UN M49 regions.

    The id of a region is its M49 number; `parent_id` refers to the region that contains it.
    """
    return {"regions": service.list_regions()}
