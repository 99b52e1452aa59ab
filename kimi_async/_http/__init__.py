"""The input and output of the package: HTTP, and all that depends on the event loop."""
