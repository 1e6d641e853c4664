"""Columns and tables of the docs' samples that the default tables do not have."""

from __future__ import annotations

from dataclasses import replace

from dataverse_source.sandbox.schema.tables import AlternateKey, Column, Option, Schema, Table

ACTIVITIES = {1: "Swimming", 2: "Hiking", 3: "Mountain Climbing", 4: "Fishing", 5: "Hunting",
              6: "Running", 7: "Boating", 8: "Skiing", 9: "Camping"}  # fmt: skip
MORE_COLUMNS: dict[str, tuple[Column, ...]] = {
    "account": (
        Column("sample_filecolumn", "File", "sample_FileColumn", max_size_kb=102_400),
        Column(
            "sample_filecolumn_name",
            "String",
            "sample_FileColumn_Name",
            attribute_of="sample_filecolumn",
        ),
        Column("sample_imagecolumn", "Image", "sample_ImageColumn", max_size_kb=102_400),
    ),
    "contact": (
        Column(
            "sample_outdooractivities",
            "MultiSelectPicklist",
            "sample_OutdoorActivities",
            options=tuple(Option(value, label) for value, label in ACTIVITIES.items()),
        ),
    ),
}
SENSOR_DATA = Table(
    logical_name="contoso_sensordata",
    schema_name="contoso_SensorData",
    entity_set_name="contoso_sensordatas",
    primary_id="contoso_sensordataid",
    primary_name="contoso_sensortype",
    object_type_code=10_900,
    table_type="Elastic",
    columns=(
        Column("contoso_sensordataid", "Uniqueidentifier", is_primary_id=True),
        Column("contoso_sensortype", "String", is_primary_name=True),
        Column("contoso_deviceid", "String"),
        Column("contoso_energyconsumption", "Memo", format="Json"),
        Column("contoso_value", "Integer"),
        Column("contoso_timestamp", "DateTime", date_behavior="UserLocal"),
        Column("partitionid", "String"),
        Column("ownerid", "Owner", targets=("systemuser", "team")),
        Column("owningbusinessunit", "Lookup", targets=("businessunit",)),
        Column("createdon", "DateTime", date_behavior="UserLocal"),
        Column("modifiedon", "DateTime", date_behavior="UserLocal"),
        Column("versionnumber", "BigInt"),
    ),
)


MORE_KEYS: dict[str, tuple[AlternateKey, ...]] = {
    "account": (AlternateKey("sample_primarycontact", ("primarycontactid",)),),
    "contact": (AlternateKey("sample_nameandemail", ("firstname", "emailaddress1")),),
}


def _image_table(logical_name: str, entity_set: str, *names: str) -> Table:
    """A table that tells of the image columns of others."""
    return Table(
        logical_name=logical_name,
        schema_name=logical_name,
        entity_set_name=entity_set,
        primary_id=f"{logical_name}id",
        primary_name=None,
        object_type_code=9_900,
        columns=(
            Column(f"{logical_name}id", "Uniqueidentifier", is_primary_id=True),
            Column("parententitylogicalname", "EntityName"),
            *(Column(name, "String") for name in names),
            Column("canstorefullimage", "Boolean"),
            Column("versionnumber", "BigInt"),
        ),
    )


def extended(schema: Schema) -> Schema:
    """A schema with the samples' columns, keys and tables."""
    tables = tuple(
        replace(
            table,
            columns=(*table.columns, *MORE_COLUMNS.get(table.logical_name, ())),
            keys=(*table.keys, *MORE_KEYS.get(table.logical_name, ())),
        )
        for table in schema.tables
    )
    images = (
        _image_table("attributeimageconfig", "attributeimageconfigs", "attributelogicalname"),
        _image_table("entityimageconfig", "entityimageconfigs", "primaryimageattribute"),
    )
    return replace(schema, tables=(*tables, SENSOR_DATA, *images))
