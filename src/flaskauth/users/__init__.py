"""What operators do about people: bring them along, list them out, show one, keep one out. No routes."""
