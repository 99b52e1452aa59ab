"""The pure core: it turns the bytes of a response body into events and messages.

Read in this order: ``_sse`` (bytes to events of the stream), ``_chunk`` (the value that a provider reads from one of
them), ``_assembler`` (chunks to public events and a message), ``_decoder`` (all of it as one object).
"""
