"""The application: flask --app bookshop.app run"""

from bookshop import orders
from flaskauth import create_app

app = create_app()
app.register_blueprint(orders.bp)
