"""Account deletion: scheduled by the user, cancellable for a week, then all data of the user is erased."""
