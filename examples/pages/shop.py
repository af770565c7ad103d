"""An application with three pages of its own beside the hosted pages: flask --app shop run"""

from flask import Flask, redirect, render_template_string, url_for
from markupsafe import escape
from werkzeug.wrappers import Response

from flaskauth import User, create_app, mount, page_session_required

HOME = """<!doctype html><html lang="en"><title>Shop</title><h1>Hello, {{ current_user.first_name }}</h1>
<p><a href="/accounts/account">Your account</a></p>
<form method="post" action="{{ url_for('order') }}"><button>Order a kettle</button></form>
<form method="post" action="/accounts/sign-out"><button>Sign out</button></form></html>"""
orders: list[int] = []  # the ids of the users who have ordered; a real shop has a table

app = Flask(__name__)
mount(app, create_app(), "/accounts")


@app.get("/")
@page_session_required
def home(_user: User) -> str:
    return render_template_string(HOME)


@app.get("/orders")
@page_session_required
def list_orders(user: User) -> str:
    return f"<!doctype html><title>Orders</title><h1>Orders of {escape(user.first_name)}: {orders.count(user.id)}</h1>"


@app.post("/orders")
@page_session_required
def order(user: User) -> Response:
    orders.append(user.id)
    return redirect(url_for("list_orders"), 303)
