"""The settings of Sphinx; `sphinx-build -W --keep-going -b html docs docs/_build` builds the documentation."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "crossmarket"
author = "The crossmarket authors"
copyright = "The crossmarket authors"
release = version = version_of("crossmarket")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]
exclude_patterns = ["_build", "_ext", "examples"]

html_theme = "furo"
html_title = f"crossmarket {release}"
html_show_copyright = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Docstrings quote code in single backticks.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

# Names of our own have to resolve; those of other libraries are text, for the build has no network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!crossmarket).*"),
    ("py:.*", r"crossmarket\..*\._\w+"),
    ("py:class", r"crossmarket\.testing\.emulator\.Function"),
]
