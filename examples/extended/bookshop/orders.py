"""What people order; each sees their own orders."""

from flask import Blueprint, request
from sqlalchemy import select

from bookshop.models import Order
from flaskauth import Problem, User, auth_optional, auth_required, db

bp = Blueprint("orders", __name__)


class TitleMissing(Problem):
    """Answered as 422 {"code": "title_missing", ...}, in the shape of flaskauth's own refusals."""

    status = 422
    message = "Which book? Send its title."


@bp.get("/welcome")
@auth_optional
def welcome(user: User | None) -> dict[str, object]:
    return {"message": f"Welcome, {user.first_name if user else 'stranger'}!"}


@bp.get("/orders")
@auth_required
def orders(user: User) -> dict[str, object]:
    found = db.session.scalars(select(Order).filter_by(user_id=user.id).order_by(Order.id))
    return {"orders": [{"id": order.id, "title": order.title} for order in found]}


@bp.post("/orders")
@auth_required
def order(user: User) -> tuple[dict[str, object], int]:
    title = request.get_json().get("title")
    if not isinstance(title, str) or not 0 < len(title) <= 200:
        raise TitleMissing
    made = Order(user=user, title=title)
    db.session.add(made)
    db.session.flush()  # gives it its id; flaskauth commits when the view has answered
    return {"id": made.id, "title": made.title, "for": made.user.email}, 201
