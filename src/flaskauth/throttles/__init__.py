"""Budgets for guesses, codes and mails: counted in the database, so no burst, restart or other node gives them anew."""
