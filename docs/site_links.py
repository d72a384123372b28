"""For the site: links to files of the repository that are no pages become their names.

The pages are read in the repository as well, where these links lead somewhere.
"""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for each page, before it is rendered."""
    return _OUTSIDE.sub(r"\1 (`\2`)", markdown)
