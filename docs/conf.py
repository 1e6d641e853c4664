"""How Sphinx builds the docs: Markdown pages, names of the code from their docstrings."""

from importlib.metadata import metadata

about = metadata("dlt-dataverse")
repository = next(
    url.partition(", ")[2]
    for url in about.get_all("Project-URL") or []
    if url.startswith("Repository")
)

project = "dlt-dataverse"
version = release = about["Version"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
default_role = "code"  # docstrings name things in single backticks
# types in signatures that no page of ours describes
nitpick_ignore_regex = [("py:.*", r".*")]

html_theme = "furo"
html_title = f"dlt source for Microsoft Dataverse {version}"
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
