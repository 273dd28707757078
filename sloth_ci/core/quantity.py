"""Quantities: `500m` and `0.5` are one number.

Source: k8s.io/apimachinery `resource.Quantity`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_FORM: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,3})?\Z")
_BINARY: Final = {
    suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_LONGEST: Final = 18
_FINEST: Final = Decimal(1).scaleb(-9)


def quantity(value: Any) -> Decimal | None:
    """The number that a quantity is; None for what is none, and for what a server would round."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _FORM.match(str(value))
    if match is None or len(match.group(1)) > _LONGEST:
        return None
    number, suffix = Decimal(match.group(1)), match.group(2) or ""
    if suffix in _BINARY:
        number *= _BINARY[suffix]
    elif suffix in _DECIMAL:
        number = number.scaleb(_DECIMAL[suffix])
    elif suffix:
        number = number.scaleb(int(suffix[1:]))
    return number if number == number.quantize(_FINEST) and abs(number) < Decimal(2) ** 63 else None
