"""Rows of column security: field security profiles, permissions, masking rules."""

from __future__ import annotations

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.schema.schema_changes import with_column_changed


def grant_column(
    environment: Environment, user_id: str, table: str, column: str, *, unmasked: int = 0
) -> str:
    """Lets a user read a secured column: a profile of its own with one permission.

    Args:
        environment: where.
        user_id: systemuserid.
        table: logical name of the table.
        column: logical name of the column.
        unmasked: ``canreadunmasked``: 0 never, 1 in reads of one row, 3 in all.

    Returns:
        Key of the row of fieldpermission; delete it to take the permission away.

    Raises:
        KeyError: the schema has no tables for it.
    """
    store = environment.store
    with store.transaction():
        profile = store.create("fieldsecurityprofile", {"name": f"Reads {table}.{column}"})
        store.create(
            "systemuserprofiles", {"systemuserid": user_id, "fieldsecurityprofileid": profile}
        )
        return store.create(
            "fieldpermission",
            {
                "fieldsecurityprofileid": profile,
                "entityname": table,
                "attributelogicalname": column,
                "canread": 4,
                "canreadunmasked": unmasked,
            },
        )


def mask_column(
    environment: Environment, table: str, column: str, expression: str, character: str = "*"
) -> str:
    """Gives a secured column a masking rule.

    Args:
        environment: where.
        table: logical name of the table.
        column: logical name of the column.
        expression: a regular expression; every character of its matches is replaced.
        character: what is shown instead.

    Returns:
        Key of the row of attributemaskingrule; delete it to end the masking.

    Raises:
        KeyError: the schema has no tables for it.
    """
    store = environment.store
    with store.transaction():
        rule = store.create(
            "maskingrule",
            {
                "name": f"new_{column}_mask",
                "regularexpression": expression,
                "maskedcharacter": character,
            },
        )
        return store.create(
            "attributemaskingrule",
            {
                "uniquename": f"new_{table}_{column}",
                "entityname": table,
                "attributelogicalname": column,
                "maskingruleid": rule,
            },
        )


def secure_column(environment: Environment, table: str, column: str, secured: bool = True) -> None:
    """Turns column security on or off for a column.

    Raises:
        ValueError: there is no such table or column.
    """
    schema = with_column_changed(environment.schema, table, column, secured=secured)
    environment.store.change_schema(schema)
