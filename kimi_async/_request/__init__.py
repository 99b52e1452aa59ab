"""Turn the arguments of a caller into a checked request; pure."""
