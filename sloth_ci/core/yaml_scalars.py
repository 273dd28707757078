"""What a YAML scalar means to kubectl: YAML 1.1 as Go's YAML library reads it, then what survives as JSON.

The rules are not those of the YAML specification, nor those of PyYAML: `y` is true, `0o14` and `014` are 12 but `089` is
89, `1e3` is the whole number 1000, `1e400` and dates are strings, and `12:30:45` is no number.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from datetime import date
from functools import lru_cache
from typing import Final

Plain = str | int | float | bool | None

_TAG: Final = "tag:yaml.org,2002:"
MERGE_TAG: Final = _TAG + "merge"
SHORT: Final = 64
"""Longer texts, in characters, are not worth a place in a cache: they do not come again."""
_INT64: Final = range(-(2**63), 2**63)
_UINT64_MAX: Final = 2**64 - 1

_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
MAYBE_SPECIAL: Final = frozenset(["", *"+-.0123456789yYnNtTfFoO~"])
"""The first characters of every plain scalar that may be something else than a string (the empty one is null)."""

_INT: Final = re.compile(r"([-+]?)0(?:[xX]([0-9a-fA-F]+)|[bB]([01]+)|[oO]?([0-7]+))|[-+]?(?:0|[1-9][0-9]*)")
_SIGNED_BINARY: Final = re.compile(r"0b([-+][01]+)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DOT_FLOAT: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?P<sep>[Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_TYPES: Final = {
    _TAG + "str": "string",
    _TAG + "bool": "boolean",
    _TAG + "int": "whole number",
    _TAG + "float": "number",
    _TAG + "null": "null",
    _TAG + "timestamp": "timestamp",
}


def value_of(text: str) -> Plain:
    """The JSON value of a plain scalar. Raises ValueError for one that JSON cannot hold."""
    return _short_value(text) if len(text) <= SHORT else json_value(_resolve(text))


def key_of(text: str) -> str:
    """The JSON key that a plain scalar becomes. Raises ValueError for one that cannot be a key."""
    return _as_key(_resolve(text))


def tagged_value(tag: str, text: str) -> Plain:
    """The JSON value of a scalar with a tag. Raises ValueError where the text is not what the tag says."""
    return json_value(_tagged(tag, text))


def tagged_key(tag: str, text: str) -> str:
    """The JSON key that a scalar with a tag becomes. Raises ValueError as `tagged_value` and `key_of` do."""
    return _as_key(_tagged(tag, text))


def without_surrogates(text: str) -> str:
    """Half a surrogate pair is no character: Go reads U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


@lru_cache(maxsize=4096)
def _short_value(text: str) -> Plain:
    return json_value(_resolve(text))


def _resolve(text: str) -> Plain:
    """What Go's YAML library makes of a plain scalar; a whole number may need 64 bits without a sign."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[:1]
    digits = text.replace("_", "")
    if first == ".":
        return _float(digits, text) if _DOT_FLOAT.fullmatch(text) else text
    return _number(digits, text) if first and first in "+-0123456789" else text


def _number(digits: str, text: str) -> int | float | str:
    match = _INT.fullmatch(digits)
    if match:
        sign, hexadecimal, binary, octal = match.groups()
        number = _int(sign, hexadecimal, binary, octal, digits)
        if number in _INT64 or (digits[0] not in "+-" and 0 <= number <= _UINT64_MAX):
            return number
    if _FLOAT.fullmatch(digits):
        return _float(digits, text)
    match = _SIGNED_BINARY.fullmatch(digits)
    if match and int(match[1], 2) in _INT64:
        return int(match[1], 2)
    return text


def _int(sign: str | None, hexadecimal: str | None, binary: str | None, octal: str | None, digits: str) -> int:
    for body, base in ((hexadecimal, 16), (binary, 2), (octal, 8)):
        if body:
            return int(f"{sign}{body}", base)
    # Python refuses to read thousands of digits; nothing so long fits into 64 bits.
    return int(digits) if len(digits) <= 21 else _UINT64_MAX + 1


def _float(digits: str, text: str) -> float | str:
    """Out of range is no error in YAML: it stays the string that it was."""
    number = float(digits)
    return text if math.isinf(number) else number


def _tagged(tag: str, text: str) -> Plain:
    if tag == _TAG + "binary":
        return _binary(text)
    wanted = _TYPES.get(tag)
    if wanted is None or wanted == "string":
        return text
    if wanted == "timestamp":
        if _is_timestamp(text):
            return text
        raise ValueError("the value is not the timestamp that its tag says")
    value = _resolve(text)
    if wanted == "number" and type(value) is int and value in _INT64:
        return float(value)
    kind = {str: "string", bool: "boolean", int: "whole number", float: "number"}.get(type(value), "null")
    if kind != wanted:
        raise ValueError(f"the value is not the {wanted} that its tag says")
    return value


def json_value(value: Plain) -> Plain:
    """What is left of a scalar after Go wrote the value as JSON and Kubernetes read that: 1.0 is 1, no int has over 64 bits.

    Raises ValueError for an infinite number and for NaN.
    """
    if type(value) is int:
        return value if value in _INT64 else _as_float(value)
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError("JSON has no infinite number and no NaN")
        if value.is_integer() and abs(value) < 1e21:
            whole = _printed(value)
            return whole if whole in _INT64 else value
    return value


def _printed(value: float) -> int:
    """The whole number that Go prints for a float: the shortest digits that mean it, and zeros up to the point."""
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return int(value)
    before, _, after = digits.partition(".")
    return int(before + after.ljust(int(exponent), "0"))


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number is out of range") from None


def _as_key(value: Plain) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value in _INT64:
        return str(value)
    if isinstance(value, float):
        return _float_key(value)
    raise ValueError("null cannot be a key" if value is None else "a number over 64 bits cannot be a key")


def _float_key(value: float) -> str:
    """A float as a key: Go prints it with the digits that a 32-bit float needs."""
    if math.isnan(value):
        return ".nan"
    single = _single(value)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    shortest = next(text for n in range(9) if _single(float(text := f"{single:.{n}e}")) == single)
    mantissa, _, exponent = shortest.partition("e")
    power = int(exponent)
    if -4 <= power < 6:
        decimals = max(len(mantissa.partition(".")[2]) - power, 0)
        return f"{float(shortest):.{decimals}f}"
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0').zfill(2)}"


def _single(value: float) -> float:
    """The nearest 32-bit float."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _binary(text: str) -> str:
    """Base64 as Go decodes it; each byte that is not UTF-8 becomes U+FFFD on its way through JSON."""
    try:
        data = base64.b64decode(text.replace("\r", "").replace("\n", "").encode(), validate=True)
    except binascii.Error:
        raise ValueError("the value of a !!binary is not base64") from None
    return without_surrogates(data.decode(errors="surrogateescape"))


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return False
    year, month, day, _, hour, minute, second, zone = match.groups()
    try:
        date(2000 + int(year) % 400, int(month), int(day))
    except ValueError:
        return False
    if hour is None:
        return True
    if (match["sep"] == " ") != (zone is None):
        return False
    if zone and zone != "Z" and not (int(zone[1:3]) <= 24 and int(zone[4:]) < 60):
        return False
    return int(hour) < 24 and int(minute) < 60 and int(second) < 60
