"""The errors of this package; each says what failed, where, why, and what to do.

* DataverseError
  * ConfigurationError: a setting is missing or wrong; found before any request
  * AuthenticationError: the login service refused
    * WrongSecretError, ExpiredSecretError, UnknownApplicationError, UnknownTenantError
  * ConnectionFailedError: no answer: name not found, refused, timed out, TLS not trusted
  * ResponseError: Dataverse answered with an error status
    * UnauthorizedError (401), AccessDeniedError (403), NotFoundError (404),
      ThrottledError (429), ServerError (5xx)
  * ProtocolError: an answer that breaks the protocol, such as a page without rows
    * MalformedBodyError: the answer is not complete JSON; worth another try
  * UnknownNameError: no such table or column
  * DataError: a value that the column in the destination cannot hold
  * PipelineError: dlt or the destination failed, not Dataverse
  * TablesFailedError: some tables failed, the others are loaded
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ConfigurationError",
    "ConnectionFailedError",
    "DataError",
    "DataverseError",
    "ExpiredSecretError",
    "MalformedBodyError",
    "NotFoundError",
    "OtherEnvironmentError",
    "PipelineError",
    "ProtocolError",
    "ResponseError",
    "ServerError",
    "TablesFailedError",
    "ThrottledError",
    "UnauthorizedError",
    "UnknownApplicationError",
    "UnknownNameError",
    "UnknownTenantError",
    "WrongSecretError",
]


_SECRETS = re.compile(
    r"[\w~.-]{0,4}\d[Qq]~[\w~.-]{16,}"  # client secrets of Entra, also as names in lower case
    r"|(?<![\w+/=])[A-Za-z0-9+/]{43}=(?![\w+/=])"  # older ones: 32 bytes in base64
    r"|eyJ[\w-]+\.[\w-]*\.?[\w-]*"  # signed tokens: {" in base64url (RFC 7515, section 3.1)
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_PARTS = re.compile(  # user and password of a URL, values in connection strings
    r"(?<=://)[^/\s@]+:[^/\s@]+(?=@)|(?:(?<=secret=)|(?<=password=)|(?<=pwd=)|(?<=sig=))[^;&\s\"']+",
    re.IGNORECASE,
)
_known_secrets: set[str] = set()


def remember_secret(secret: str) -> None:
    """Has `mask_secrets` mask this text as well; a short or plain word is not remembered."""
    if len(secret) >= 8 and not secret.isalpha():
        _known_secrets.add(secret)


def has_secret(text: str) -> bool:
    """Whether a text contains a secret of this process, or what has the form of one."""
    return any(secret in text for secret in _known_secrets) or bool(_SECRETS.search(text))


_RANDOM = re.compile(
    r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[~.!@#$%^&*?=+:;\[\]])(?!.*://)[^\s/\\]{24,}"
)


def may_be_secret(text: str) -> bool:
    """Whether a text looks as random as a secret of an older form; names and ids do not."""
    return bool(_RANDOM.fullmatch(text.strip()))


def mask_secrets(text: str) -> str:
    """``text`` with the secrets of this process, and all that looks like a secret, masked."""
    for secret in _known_secrets:
        text = text.replace(secret, "***")
    return _PARTS.sub("***", _SECRETS.sub("***", text))


class DataverseError(Exception):
    """Base of all errors of this package. Secrets are masked in all of its texts.

    Args:
        what: what failed, one sentence without a full stop.
        where: table, column, row or URL (see `safe_url`).
        why: the service's own words: code, message.
        remedy: what the user can do next, one or two sentences.
        request_id: what Microsoft's support asks for (x-ms-service-request-id or the
            login service's correlation id).

    Attributes:
        tries: how often the request was sent before this was raised.
        report: what a run of `load` did before it failed; None for other errors.
    """

    tries = 1
    report: Any = None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, mask_secrets(value) if isinstance(value, str) else value)

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        remedy: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.what = printable(what)
        self.where = None if where is None else printable(where)
        self.why = None if why is None else printable(why)
        self.remedy = None if remedy is None else printable(remedy)
        self.request_id = None if request_id is None else printable(request_id)
        super().__init__(str(self))

    def __str__(self) -> str:
        """All parts, a line each."""
        parts = [f"{self.what}."]
        for label, text in (
            ("where", self.where),
            ("answer", self.why),
            ("request id", self.request_id),
            ("tried", f"{self.tries} times" if self.tries > 1 else None),
            ("what to do", self.remedy),
        ):
            if text:
                parts.append(f"  {label}: {text}")
        return "\n".join(parts)


class ConfigurationError(DataverseError):
    """A setting is missing or its value cannot be used; found before any request.

    Attributes:
        setting: its name, such as ``page_size``, where it is a single one.
        problems: where several things are wrong, an error for each.
    """

    def __init__(
        self,
        what: str,
        *,
        setting: str | None = None,
        problems: tuple[ConfigurationError, ...] = (),
        **details: str | None,
    ) -> None:
        self.setting = setting
        self.problems = problems
        super().__init__(what, **details)

    def __str__(self) -> str:
        """All parts, a line each; the problems after the first line, with numbers."""
        first, *rest = super().__str__().split("\n")
        listed = (f"{number}. {one}" for number, one in enumerate(self.problems, 1))
        return "\n".join((first, *(textwrap.indent(one, "  ") for one in listed), *rest))


class OtherEnvironmentError(ConfigurationError):
    """The destination holds the rows of another environment; nothing was changed."""


class AuthenticationError(DataverseError):
    """The login service refused to give a token.

    Attributes:
        aadsts: the AADSTS code with its number, such as ``AADSTS7000215``, if there is one.
    """

    def __init__(self, what: str, *, aadsts: str | None = None, **details: str | None) -> None:
        self.aadsts = aadsts
        super().__init__(what, **details)


class WrongSecretError(AuthenticationError):
    """The client secret is not one of the app registration's (AADSTS7000215)."""


class ExpiredSecretError(AuthenticationError):
    """The client secret has expired (AADSTS7000222)."""


class UnknownApplicationError(AuthenticationError):
    """The tenant has no app registration with this client id (AADSTS700016)."""


class UnknownTenantError(AuthenticationError):
    """The login service knows no such tenant (AADSTS90002, AADSTS900023)."""


class ConnectionFailedError(DataverseError):
    """No answer came: the name was not found, or refused, timed out, or TLS is not trusted.

    Attributes:
        timed_out: the connection was made, but no complete answer came in time.
    """

    timed_out = False


class ResponseError(DataverseError):
    """Dataverse answered with an error status.

    Attributes:
        status: HTTP status.
        code: Dataverse's code such as ``0x80060888``, None when the body held none.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int,
        code: str | None = None,
        **details: str | None,
    ) -> None:
        self.status = status
        self.code = code
        super().__init__(what, **details)


class UnauthorizedError(ResponseError):
    """401: the token was refused, also after a new one was fetched."""


class AccessDeniedError(ResponseError):
    """403: no application user, a disabled one, or a missing role or privilege."""


class NotFoundError(ResponseError):
    """404: no such table or row, or the host is no Dataverse environment."""


class ThrottledError(ResponseError):
    """429: service protection limits, still exceeded after all retries."""


class ServerError(ResponseError):
    """5xx, still after all retries."""


class ProtocolError(DataverseError):
    """An answer that breaks the protocol: a page without rows, a foreign or repeated next link."""


class MalformedBodyError(ProtocolError):
    """The answer is not complete JSON: cut off on its way, or not from Dataverse at all."""


class UnknownNameError(DataverseError):
    """The environment has no such table or column, or the user may not see it."""


class DataError(DataverseError):
    """A value that cannot be stored without loss; names table, column and row."""


class PipelineError(DataverseError):
    """dlt or the destination failed while rows were prepared or loaded; raised by `load`."""


class TablesFailedError(DataverseError):
    """Some tables of a run failed and are as before; the others are loaded.

    Attributes:
        failures: the error of each table that failed, by entity set name.
    """

    def __init__(self, failures: dict[str, DataverseError], tables: int) -> None:
        self.failures = failures
        super().__init__(
            f"{len(failures)} of {tables} tables failed; the others are loaded",
            where=", ".join(failures),
            why="\n".join(f"{name}: {error}" for name, error in failures.items()),
        )

    def __str__(self) -> str:
        """The first line, then the error of each table, indented."""
        errors = (f"{name}: {error}" for name, error in self.failures.items())
        return "\n".join((f"{self.what}.", *(textwrap.indent(one, "  ") for one in errors)))


def printable(text: str) -> str:
    """The text with its control characters escaped, so that a terminal shows and not obeys them.

    Texts of answers may hold any. Line breaks and tabs stay.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


# C0 and C1 controls, separators of lines, lone surrogates, and what changes the text's direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what lies behind it, outermost first.

    requests and urllib3 keep an inner error in ``reason`` or among ``args``.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = (getattr(error, "reason", None), *error.args)
        wrapped = next((one for one in inner if isinstance(one, BaseException)), None)
        error = wrapped or error.__cause__ or error.__context__


def dataverse_error(error: BaseException) -> DataverseError | None:
    """The error of this package that is or lies behind ``error``, None if there is none."""
    return next((one for one in causes(error) if isinstance(one, DataverseError)), None)


def safe_url(url: str) -> str:
    """``url`` without user, password, query and fragment, fit for messages and logs."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest of ``known``, or an empty string."""
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.6)
    if not near:
        return ""
    return f"Did you mean {' or '.join(repr(match) for match in near)}?"
