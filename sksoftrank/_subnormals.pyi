from collections.abc import Callable, Mapping, Sequence
from typing import Any

def call(
    function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]
) -> Any: ...
