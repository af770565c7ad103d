"""User administration for operators: import, export, show, disable and enable users. It has no routes."""
