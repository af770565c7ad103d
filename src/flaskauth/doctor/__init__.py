"""`flaskauth doctor`: checks the installation without changing it, reports problems and suggests fixes."""
