"""Everything that speaks HTTP or depends on the event loop."""
