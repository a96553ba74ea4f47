"""The book's settings. Sphinx reads them; `python docs/build.py` calls Sphinx."""

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Neural-network optimizers in Keras"
author = "The authors of the course"
copyright = "text and figures CC BY 4.0, code MIT"
version = release = PROJECT["version"]
language = "en"

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "course_lib", "tests", "benchmarks"]
nitpicky = False  # Keras's classes have no inventory that could be read offline

# Pages are made from the committed outputs: nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
myst_heading_anchors = 4
myst_heading_slug_func = "bookslug.slug"
myst_enable_extensions = ["colon_fence", "dollarmath"]
suppress_warnings = ["mystnb.unknown_mime_type"]  # a slider's view: its picture stands below it

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = [str(DOCS / "_static")]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

epub_show_urls = "no"
epub_basename = "optimizers"
epub_tocscope = "default"
