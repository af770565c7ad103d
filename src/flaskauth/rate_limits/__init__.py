"""Attempt limits for passwords, codes and mails: counted in the database, so restarts and other nodes reset nothing."""
