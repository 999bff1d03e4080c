"""Sphinx's settings; pages are those that `site_build` has gathered."""

from importlib.metadata import version as version_of

project = "ossicle"
author = "The ossicle authors"
copyright = "The ossicle authors, Apache-2.0"
version = release = version_of("ossicle")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["files/**"]
myst_heading_anchors = 4
myst_enable_extensions: list[str] = []
# Single backticks in docstrings are names.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
html_theme = "furo"
html_title = "ossicle"
html_static_path = ["theme"]
html_css_files = ["ossicle.css"]
html_copy_source = False
html_show_sphinx = False
# Excerpts under search results are fetched, which browsers refuse for files on a disk.
html_show_search_summary = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "default"
pygments_dark_style = "github-dark"
