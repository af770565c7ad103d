"""GET /countries and GET /regions: what forms fill their menus with."""

from flaskauth.foundation.http import Blueprint, cached, public
from flaskauth.places import service
from flaskauth.places.schemas import CountriesReply, RegionsReply

bp = Blueprint("places", __name__, tag="Reference")


@bp.get("/countries")
@public
@cached(seconds=600)
@bp.output(CountriesReply)
def countries() -> dict[str, object]:
    """Every ISO 3166 country, by name."""
    return {"countries": service.countries()}


@bp.get("/regions")
@public
@cached(seconds=600)
@bp.output(RegionsReply)
def regions() -> dict[str, object]:
    """Every region of UN M49, each with the region around it."""
    return {"regions": service.regions()}
