"""A Flask application with its own database and flaskauth mounted in it: flask --app shop run"""

from flask import Flask, request
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import BigInteger, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flaskauth import User, auth_optional, auth_required, create_app, mount

db = SQLAlchemy()


class Model(DeclarativeBase):
    """Base class of the shop's tables."""


class Order(Model):
    """An order of a user. Users are in another database, so `user_id` has no foreign key."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    thing: Mapped[str]


app = Flask(__name__)
app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite:///shop.db"}  # in the folder instance/
db.init_app(app)
mount(app, create_app(), "/accounts")

with app.app_context():
    Model.metadata.create_all(db.engine)


@app.get("/")
@auth_optional
def welcome(user: User | None) -> str:
    return f"<h1>Welcome, {user.first_name if user else 'guest'}!</h1>"


@app.get("/orders")
@auth_required
def orders(user: User) -> dict[str, object]:
    rows = db.session.scalars(select(Order).filter_by(user_id=user.id).order_by(Order.id))
    return {"orders": [order.thing for order in rows], "of": user.email}


@app.post("/orders")
@auth_required
def order(user: User) -> tuple[dict[str, object], int]:
    new_order = Order(user_id=user.id, thing=str(request.get_json()["thing"]))
    db.session.add(new_order)
    db.session.commit()  # the shop's own session: the shop commits
    return {"id": new_order.id}, 201
