"""A small bookshop: flaskauth's application, extended by orders."""
