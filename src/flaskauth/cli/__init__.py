"""The `flaskauth` command."""
