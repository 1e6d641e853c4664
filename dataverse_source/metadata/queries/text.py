"""Reads the text of a query, and puts parameters into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.metadata.queries.xml import Element, Source, is_text, parse

_PARAMETER = re.compile(r"\{([A-Za-z_]\w*)\}")
"""``{name}``; the id of a row in braces has hyphens."""


def with_text(settings: QuerySettings, folder: Path) -> QuerySettings:
    """The settings with the FetchXML of the file; checked as far as that needs no request.

    Args:
        settings: of the query.
        folder: where relative paths start.

    Raises:
        ConfigurationError: the file cannot be read, or the text is not well-formed.
    """
    if settings.fetchxml_file is not None:
        path = folder / Path(settings.fetchxml_file).expanduser()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The FetchXML of query {settings.name} cannot be read from a file",
                where=f"{settings.place} fetchxml_file: {path}",
                why=getattr(error, "strerror", None) or str(error),
                remedy="Correct the path; a relative one starts at the project's folder.",
                setting="queries",
            ) from None
        settings = replace(settings, fetchxml=text)
    if settings.fetchxml is not None:
        read_fetch(settings.fetchxml, source_of(settings), settings.parameters)
    return settings


def source_of(settings: QuerySettings) -> Source:
    """Where the text of a query comes from."""
    if settings.fetchxml_file is not None:
        return Source(settings.name, settings.fetchxml_file)
    if settings.view is not None:
        return Source(settings.name, f"the view {settings.view!r} of {settings.table}")
    return Source(settings.name, f"{settings.place} fetchxml")


def read_fetch(text: str, source: Source, parameters: Mapping[str, str]) -> Element:
    """The element ``fetch`` with the parameters' values in it.

    Values replace ``{name}`` in attributes and texts of the parsed document, so they can be
    nothing but values.

    Raises:
        ConfigurationError: the text is not well-formed, is no FetchXML, or a parameter is not
            known, not used, or no text that XML can hold.
    """
    root = parse(text, source)
    if root.tag != "fetch":
        raise source.error(f"its root element is {root.tag!r}, not 'fetch'", root)
    for name, value in parameters.items():
        if not is_text(value):
            raise source.error(f"the parameter {name} has characters that XML cannot hold")
    used: set[str] = set()
    for one in root.walk() if parameters else ():

        def value_of(found: re.Match[str], one: Element = one) -> str:
            name = found[1]
            if name not in parameters:
                remedy = did_you_mean(name, parameters) or f"Known: {', '.join(parameters)}."
                raise source.error(f"there is no parameter {name!r}", one, remedy)
            used.add(name)
            return parameters[name]

        for name, text_ in one.attributes.items():
            one.attributes[name] = _PARAMETER.sub(value_of, text_)
        one.text = _PARAMETER.sub(value_of, one.text)
    unused = [name for name in parameters if name not in used]
    if unused:
        raise source.error(
            f"its parameter {unused[0]!r} is not used",
            None,
            f'Write {{{unused[0]}}} where its value belongs: value="{{{unused[0]}}}".',
        )
    return root
