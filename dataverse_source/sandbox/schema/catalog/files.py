"""What is known of the files in file columns (docs page "Use file column data")."""

from dataverse_source.sandbox.schema.catalog.columns import any_of, big, key, moment, one, text
from dataverse_source.sandbox.schema.catalog.groups import table

WITH_FILES = ("account",)
"""Tables that have a file column."""

FILE_ATTACHMENT = table(
    "FileAttachment",
    "fileattachments",
    55,
    key("FileAttachmentId", "File Attachment"),
    text("FileName", 255),
    text("MimeType", 256),
    text("RegardingFieldName", 100),
    big("FileSizeInBytes"),
    any_of(
        "ObjectId",
        {name: f"{name}_FileAttachments" for name in WITH_FILES},
        display_name="Regarding",
        cascade="Cascade",
    ),
    one("ObjectTypeCode", "EntityName", "Object Type", source_type=None),
    moment("CreatedOn").with_(writable=False),
    big("VersionNumber").with_(writable=False),
    primary_name="filename",
    display_name="File Attachment",
    ownership="None",
    change_tracking=False,
)
