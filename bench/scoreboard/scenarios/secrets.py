"""Secrets, which are written in two ways and rotated by others."""

from __future__ import annotations

from typing import Final

from scoreboard.place import encoded, patched
from scoreboard.scenario import Scenario
from scoreboard.scenarios.objects import secret

LOGIN: Final = frozenset({"Secret/login"})

SCENARIOS: Final = (
    Scenario(
        name="secret-string-data",
        description="A Secret written with stringData, unchanged.",
        before=[secret(stringData={"user": "a", "password": "b"})],
    ),
    Scenario(
        name="secret-changed",
        description="One value of a Secret changes.",
        before=[secret(stringData={"user": "a", "password": "b"})],
        after=[secret(stringData={"user": "a", "password": "c"})],
        changes=LOGIN,
    ),
    Scenario(
        name="secret-respelled",
        description="A Secret written with stringData is written with data, and has the same values.",
        before=[secret(stringData={"user": "a"})],
        after=[secret(data={"user": encoded("a")})],
    ),
    Scenario(
        name="secret-both",
        description="A key stands in data and in stringData, which wins.",
        before=[secret(data={"user": encoded("old"), "host": encoded("h")}, stringData={"user": "new"})],
    ),
    Scenario(
        name="secret-key-removed",
        description="A key is no longer declared.",
        before=[secret(data={"user": encoded("a"), "old": encoded("b")})],
        after=[secret(data={"user": encoded("a")})],
        changes=LOGIN,
    ),
    Scenario(
        name="secret-string-key-removed",
        description="A key of stringData is no longer declared.",
        before=[secret(stringData={"user": "a", "old": "b"})],
        after=[secret(stringData={"user": "a"})],
        changes=LOGIN,
    ),
    Scenario(
        name="secret-rotated",
        description="A controller has rotated a value that is declared.",
        before=[secret(data={"user": encoded("a"), "password": encoded("b")})],
        events=[patched("secret/login", {"data": {"password": encoded("rotated")}}, by="vault")],
        conflicts=LOGIN,
    ),
    Scenario(
        name="secret-rotated-string-data",
        description="The same, and it is declared with stringData.",
        before=[secret(stringData={"user": "a", "password": "b"})],
        events=[patched("secret/login", {"data": {"password": encoded("rotated")}}, by="vault")],
        conflicts=LOGIN,
    ),
    Scenario(
        name="secret-key-of-another",
        description="A controller keeps a key of its own in a Secret that declares others.",
        before=[secret(data={"user": encoded("a")})],
        events=[patched("secret/login", {"data": {"token": encoded("t")}}, by="vault")],
    ),
    Scenario(
        name="secret-immutable",
        description="A value of an immutable Secret changes.",
        before=[secret(data={"user": encoded("a")}, immutable=True)],
        after=[secret(data={"user": encoded("b")}, immutable=True)],
        conflicts=LOGIN,
    ),
)
