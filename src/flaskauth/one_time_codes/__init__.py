"""One-time codes and email links: derived, mailed, limited in attempts, and used at most once."""
