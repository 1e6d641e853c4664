"""The query string of a request: system query options, parameter aliases, the rest."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_plus

from dataverse_source.sandbox.query.syntax.odata import bad_query

KNOWN = frozenset(
    {"$select", "$expand", "$orderby", "$filter", "$apply", "$top", "$count"}
    | {"$skiptoken", "$deltatoken", "$id"}
)
UNSUPPORTED = frozenset({"$skip", "$search", "$format", "$compute", "$levels", "$index"})
"""Options that Dataverse does not have (docs page "Query data using the Web API")."""


@dataclass(frozen=True)
class Options:
    """A query string, taken apart.

    Attributes:
        pairs: names (decoded) with their raw, still encoded ``name=value`` text, in order.
        values: decoded values by name.
    """

    pairs: tuple[tuple[str, str], ...]
    values: dict[str, str]

    def get(self, name: str) -> str | None:
        """The decoded value of an option."""
        return self.values.get(name)

    def raw(self, name: str) -> str | None:
        """The value of an option as received, still encoded."""
        found = next((raw for known, raw in self.pairs if known == name), None)
        return None if found is None else found.partition("=")[2]

    @property
    def aliases(self) -> dict[str, str]:
        """Texts of the parameter aliases by name with ``@``."""
        return {name: text for name, text in self.values.items() if name.startswith("@")}

    def without(self, *names: str) -> str:
        """The raw query string without some options."""
        return "&".join(raw for name, raw in self.pairs if name not in names)


def read_options(query: str) -> Options:
    """Takes a raw query string apart.

    Raises:
        DataverseFault: an option that Dataverse does not have, or one given twice.
    """
    pairs: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    for raw in filter(None, query.split("&")):
        name_text, _, value = raw.partition("=")
        name = unquote_plus(name_text).strip()
        if name.startswith("$"):
            if name in UNSUPPORTED:
                raise bad_query(f"The query parameter {name} is not supported")
            if name not in KNOWN:
                raise bad_query(f"The query parameter '{name}' is not supported.")
            if name in values:
                raise bad_query(
                    f"Query option '{name}' was specified more than once, but it must be "
                    "specified at most once."
                )
        pairs.append((name, raw))
        values[name] = unquote_plus(value)
    return Options(tuple(pairs), values)


def split_top(text: str, separator: str) -> list[str]:
    """Splits at a separator that stands outside parentheses, brackets, braces and quotes."""
    parts, depth, start, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return parts


def read_top(options: Options) -> int | None:
    """``$top``, None when not given.

    Raises:
        DataverseFault: it is no whole number.
    """
    text = options.get("$top")
    if text is None:
        return None
    if not text.strip().isdigit():
        raise bad_query(
            f"Invalid value '{text}' for $top query option found. The $top query option "
            "requires a non-negative integer value."
        )
    return int(text)


def read_count(options: Options) -> bool:
    """Whether ``$count`` is true.

    Raises:
        DataverseFault: it is neither true nor false.
    """
    text = options.get("$count")
    if text not in (None, "true", "false"):
        raise bad_query(
            f"Invalid value '{text}' for $count query option found. Valid values are "
            "'true' or 'false'."
        )
    return text == "true"
