"""`flaskauth doctor`: looks at the whole installation, changes nothing, and says what is wrong and what to do."""
