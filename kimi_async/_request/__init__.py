"""From a caller's arguments to a checked request; pure."""
