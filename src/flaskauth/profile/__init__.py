"""The current user's profile, activity and data export."""
