"""A small bookshop: flaskauth's application with additional routes and a table."""
