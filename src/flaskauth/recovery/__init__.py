"""Take an account back: undo a change of its address, disown a sign-in; by a link from a mail."""
