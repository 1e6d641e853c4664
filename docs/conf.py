"""How Sphinx builds the docs: plain Markdown pages, every reference checked."""

project = "dlt-dataverse"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "dlt source for Microsoft Dataverse"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
