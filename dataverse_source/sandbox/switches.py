"""Switches: behaviours of Dataverse that no document settles, each with its possible values.

The first value of each is the default. A client must end in the right state under every
setting; ``every_setting`` lists them for tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Switches:
    """A value for every switch.

    Attributes:
        first_delta_link: moment that the first delta link stands for, and order of the
            initial chain.
            ``last_page_version_order``: it has the last page's time, rows come by
            version number; ``last_page_key_order``: rows come by key, so that changes during
            the load are lost; ``first_page``: it has the first page's time.
        delta_chain: the same for a delta of several pages; ``snapshot`` fixes it at page one.
        tracked_next_link: form of the next link in a tracked chain. Without ``istracking`` or
            a token in it, a page needs ``Prefer: odata.track-changes`` to be given a delta link.
        delta_link_pages: on which pages of a chain the delta link stands.
        delta_select: another ``$select`` beside a stored token.
        delta_prefer: whether a delta GET needs ``Prefer: odata.track-changes`` to be given a
            new delta link.
        expired_delta: answer to an expired delta token (0x80044352): the HTTP status, or the
            full table as if there were no token (its context still says ``/$delta``).
        garbled_delta: error code for a delta token that can't be read.
        schema_change_expires: which schema changes of a table expire its tokens.
        tracking_privilege_code: error code when a caller without organization-level read
            asks for changes (status 403).
        modified_on_resolution: what filters on date-time columns see: whole seconds, hidden
            milliseconds, or whole seconds with fractional literals refused.
        guid_comparison: ``gt``, ``ge``, ``lt``, ``le`` on a GUID in ``$filter``.
        rollup_recalculation: what the recalculation of a rollup column moves.
        version_commit_order: version numbers may be committed out of order; whether delta
            tokens are guarded against it.
        elastic_tracking: change tracking of elastic tables, and of rows whose time to live
            ran out.
        ieee754_compatible: answer to ``Accept: application/json;IEEE754Compatible=true``.
        budget: whether each web server counts service protection limits for itself, or one counter
            serves all of them.
        affinity_names: names of web servers in the affinity cookie: one for each server, or a new
            one for each answer.
        metadata_level: whether ``Accept: application/json;odata.metadata=full`` or ``none`` changes
            what rows carry besides their values.
        throttle_form: body and ``Retry-After`` of a 429.
        page_size_out_of_range: ``odata.maxpagesize`` above the maximum, 0 or not a number.
        top_with_page_size: ``$top`` together with ``odata.maxpagesize``.
        last_fetchxml_page: annotations of the last page of a FetchXML query.
        next_link: how a page says that more rows follow: by a next link, or only by the annotation
            ``morerecords``, as some did in 2019 after an update of the server.
        stuck_cookie: next links whose cookie never moves on.
        skiptoken_expiry: whether a ``$skiptoken`` expires after
            ``skiptoken_lifetime_seconds``, and with which error code.
        total_record_count: what RetrieveTotalRecordCount answers: counts up to a day old, or 0 for
            all tables, as seen in one organization.
        user_refusal_status: HTTP status for a disabled user and for a user without a role.
        cascade_tombstones: whether rows deleted by cascade, bulk delete or retention appear
            in the delta.
        merged_rows: what the merge of two accounts or contacts updates.
        reappearing_row: a deleted row that comes back under the same key.
        expand_all_attributes: ``EntityDefinitions?$expand=Attributes`` over all tables.
        local_global_option_set: ``GlobalOptionSet`` of a column with a choice of its own: that
            choice, as recorded, or null, as the docs print.
        secured_columns: columns that column security hides from the caller.
        masked_columns: columns that are masked: those with a masking rule, or all secured texts,
            which all callers then see masked.
        gzip: whether answers are compressed for a client that asks for it.
        privilege_code: error code of a missing table privilege (status 403).
        unknown_segment_code: error code of an entity set that does not exist (status 404).
        bad_bearer_challenge: whether the challenge for a bad token says
            ``error=invalid_token``.
        administration_mode: answer to an application user while the environment is in
            administration mode: an error with a code, a page of the web server, or an error
            that says that the organization is disabled.
        audit_changedata: what the column changedata of an audit row holds: JSON with each changed
            column's old and new value, as public code reads it; the old values with commas between
            them, as the table's reference says; nothing; or the JSON cut off after 2,000
            characters.
        retained_data: answer to FetchXML with ``datasource="retained"``: the rows that retention
            has archived, an error, or the live rows, as of a server that does not know it.
        blocked_file: HTTP status for a file that a scan or a rule has blocked (AttachmentBlocked).
        empty_file: answer to the download of a file without bytes: 204, 200 with nothing, or 416
            where a range is asked for.
        range_of_whole_file: a range of a file that cannot be fetched in blocks: refused with
            0x80090017, or answered with the whole file.
        content_range: whether a part of a file says with ``Content-Range`` which one it is; the
            docs print ``x-ms-file-size`` and ``x-ms-chunk-size`` alone.
        long_url: HTTP status for a URL over 32,768 characters.
    """

    first_delta_link: Literal["last_page_version_order", "last_page_key_order", "first_page"] = (
        "last_page_version_order"
    )
    delta_chain: Literal["as_first_sync", "snapshot"] = "as_first_sync"
    tracked_next_link: Literal[
        "skiptoken_tracking_true", "skiptoken_tracking_false", "deltatoken_and_skiptoken"
    ] = "skiptoken_tracking_true"
    delta_link_pages: Literal["last_only", "every_page"] = "last_only"
    delta_select: Literal["accepted", "ignored", "refused"] = "accepted"
    delta_prefer: Literal["optional", "required"] = "optional"
    expired_delta: Literal["400", "410", "412", "500", "full_result"] = "400"
    garbled_delta: Literal["0x80040203", "0x80044352"] = "0x80040203"
    schema_change_expires: Literal["any", "alter_or_delete", "never"] = "any"
    tracking_privilege_code: Literal["0x80040220", "0x80048306"] = "0x80040220"
    modified_on_resolution: Literal["second", "hidden_milliseconds", "fraction_refused"] = "second"
    guid_comparison: Literal["sql_order", "text_order", "refused"] = "sql_order"
    rollup_recalculation: Literal["version_number_only", "nothing"] = "version_number_only"
    version_commit_order: Literal["tokens_guarded", "unguarded"] = "tokens_guarded"
    elastic_tracking: Literal["refused", "ttl_silent", "ttl_tombstones"] = "refused"
    ieee754_compatible: Literal["ignored", "strings", "406", "415"] = "ignored"
    metadata_level: Literal["heeded", "ignored"] = "heeded"
    budget: Literal["per_server", "all_servers"] = "per_server"
    affinity_names: Literal["of_servers", "never_repeat"] = "of_servers"
    throttle_form: Literal[
        "json_seconds", "json_decimal_seconds", "json_http_date", "json_no_header", "html"
    ] = "json_seconds"
    page_size_out_of_range: Literal["clamp", "refused"] = "clamp"
    top_with_page_size: Literal["top_ignored", "page_size_ignored"] = "top_ignored"
    last_fetchxml_page: Literal["absent", "false_and_cookie"] = "absent"
    next_link: Literal["given", "flag_only"] = "given"
    stuck_cookie: Literal["off", "any"] = "off"
    skiptoken_expiry: Literal["never", "0x80041129", "0x8004112A"] = "never"
    total_record_count: Literal["counted", "zero"] = "counted"
    user_refusal_status: Literal["403", "401"] = "403"
    cascade_tombstones: Literal["all", "parent_only"] = "all"
    merged_rows: Literal["loser", "both"] = "loser"
    reappearing_row: Literal["delete_then_row", "row_only"] = "delete_then_row"
    expand_all_attributes: Literal["answered", "502", "504", "500"] = "answered"
    local_global_option_set: Literal["own", "null"] = "own"
    secured_columns: Literal["null", "omitted"] = "null"
    masked_columns: Literal["by_rule", "all_secured"] = "by_rule"
    gzip: Literal["when_asked", "never"] = "when_asked"
    privilege_code: Literal["0x80040220", "0x80048306"] = "0x80040220"
    unknown_segment_code: Literal["0x80060888", "0x8006088a"] = "0x80060888"
    bad_bearer_challenge: Literal["plain", "error"] = "plain"
    administration_mode: Literal["403", "403_page", "503"] = "403"
    audit_changedata: Literal["json", "csv", "empty", "cut"] = "json"
    retained_data: Literal["answered", "refused", "ignored"] = "answered"
    blocked_file: Literal["400", "403"] = "400"
    empty_file: Literal["204", "200", "416"] = "204"
    range_of_whole_file: Literal["refused", "whole"] = "refused"
    content_range: Literal["given", "absent"] = "given"
    long_url: Literal["414", "400"] = "414"
    skiptoken_lifetime_seconds: int = 3600

    def __post_init__(self) -> None:
        for name, values in _values().items():
            value = getattr(self, name)
            if value not in values:
                raise ValueError(
                    f"Switch {name} can't be {value!r}; it is one of {', '.join(values)}."
                )

    def changed(self, **settings: Any) -> Switches:
        """A copy with some switches set otherwise.

        Raises:
            ValueError: there is no such switch, or it has no such value.
        """
        known = {field.name for field in fields(self)}
        for name in settings:
            if name not in known:
                raise ValueError(f"There is no switch {name!r}; known: {', '.join(sorted(known))}.")
        return replace(self, **settings)


def every_setting() -> Iterator[Switches]:
    """The default, then every other value of each switch, one switch at a time."""
    default = Switches()
    yield default
    for name, values in _values().items():
        for value in values[1:]:
            yield default.changed(**{name: value})


def _values() -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(Switches)
    return {name: get_args(hint) for name, hint in hints.items() if get_args(hint)}
