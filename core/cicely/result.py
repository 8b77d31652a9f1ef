"""Results of tasks: the public names."""

from __future__ import annotations

from .async_result import AsyncResult
from .eager_result import EagerResult
from .group_result import GroupResult
from .joins import allow_join_result, denied_join_result
from .result_base import ResultBase, result_from_tuple

__all__ = [
    "AsyncResult",
    "EagerResult",
    "GroupResult",
    "ResultBase",
    "allow_join_result",
    "denied_join_result",
    "result_from_tuple",
]
