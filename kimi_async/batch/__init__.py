"""Many requests through one client: ``client.batch()`` and its values."""

from kimi_async.batch._batch import Batch
from kimi_async.batch._rows import BatchRequest, BatchResult, Requests

__all__ = ["Batch", "BatchRequest", "BatchResult", "Requests"]
