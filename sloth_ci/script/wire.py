"""MessagePack between the host and Lua: the other half of `lua/wire.lua`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

_FUNCTION = 1

LUA_INTEGERS = range(-(2**63), 2**63)


class LuaFunction:
    """A function of the script. Call it from any thread; it runs when Lua is free.

    Returns what the function returns: nothing, one value, or a tuple of several. Raises `ScriptError` when it fails.
    """

    __slots__ = ("_invoke", "number")

    def __init__(self, number: int, invoke: Callable[[LuaFunction, tuple[object, ...]], list[object]]) -> None:
        self.number = number
        self._invoke = invoke

    def __call__(self, *arguments: object) -> object:
        values = self._invoke(self, arguments)
        if len(values) > 1:
            return tuple(values)
        return values[0] if values else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LuaFunction) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"LuaFunction({self.number})"


class Wire:
    """Encodes values for Lua and decodes values of Lua."""

    def __init__(self, invoke: Callable[[LuaFunction, tuple[object, ...]], list[object]]) -> None:
        def function(code: int, data: memoryview) -> object:
            if code != _FUNCTION:
                raise ValueError(f"unknown extension {code}")
            return LuaFunction(int.from_bytes(data, "big"), invoke)

        self._decoder = msgspec.msgpack.Decoder(ext_hook=function)
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_extension)

    def decode(self, data: bytes) -> Any:
        """One value. Bytes that are no text stay `bytes`; an empty table that says nothing else is a dict."""
        return self._decoder.decode(data)

    def encode(self, values: Iterable[object]) -> bytes:
        """Several values, as the list that `decode_values` of `wire.lua` reads."""
        values = list(values)
        try:
            return self._encoder.encode(values)
        except OverflowError:
            return self._encoder.encode(fit_integers(values))


def _extension(value: object) -> object:
    if isinstance(value, LuaFunction):
        return msgspec.msgpack.Ext(_FUNCTION, value.number.to_bytes(8, "big"))
    raise TypeError(f"a {type(value).__name__} cannot be handed to Lua")


def fit_integers(value: Any) -> Any:
    """Data with each integer that Lua cannot hold as the nearest float, as Lua itself reads such a number."""
    if isinstance(value, dict):
        return {key: fit_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fit_integers(item) for item in value]
    if isinstance(value, int) and value not in LUA_INTEGERS:
        return float(value)
    return value


def text(value: object) -> str:
    """Text of a Lua string that may hold any bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
