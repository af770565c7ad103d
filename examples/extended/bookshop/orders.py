"""Routes for orders; each user sees only their own orders."""

from flask import Blueprint, request
from sqlalchemy import select

from bookshop.models import Order
from flaskauth import APIError, User, auth_optional, auth_required, db

bp = Blueprint("orders", __name__)


class TitleMissing(APIError):
    """422 {"code": "title_missing", ...}, in the format of flaskauth's own error responses."""

    status = 422
    message = "Which book? Send its title."


@bp.get("/welcome")
@auth_optional
def welcome(user: User | None) -> dict[str, object]:
    return {"message": f"Welcome, {user.first_name if user else 'guest'}!"}


@bp.get("/orders")
@auth_required
def orders(user: User) -> dict[str, object]:
    rows = db.session.scalars(select(Order).filter_by(user_id=user.id).order_by(Order.id))
    return {"orders": [{"id": order.id, "title": order.title} for order in rows]}


@bp.post("/orders")
@auth_required
def order(user: User) -> tuple[dict[str, object], int]:
    title = request.get_json().get("title")
    if not isinstance(title, str) or not 0 < len(title) <= 200:
        raise TitleMissing
    new_order = Order(user=user, title=title)
    db.session.add(new_order)
    db.session.flush()  # assigns the id; flaskauth commits after the view returns
    return {"id": new_order.id, "title": new_order.title, "for": new_order.user.email}, 201
