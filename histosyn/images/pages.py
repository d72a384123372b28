"""Multi-page image files are refused, unless the other pages are pyramid levels or thumbnails.

A pyramid holds one image in several sizes, and a photograph may carry its own thumbnail: those are
one image. A stack of channels, an animation, a second scan are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from hpc.errors import DatasetError

# Further images are counted up to here.
MOST_PAGES = 1000
_NEW_SUBFILE_TYPE, _WIDTH, _LENGTH, _IMAGE_DESCRIPTION = 254, 256, 257, 270
_REDUCED, _MASK = 1, 4
# Set in `image.info` where a page says which pixels of the image are to be seen.
MASK = "transparency mask"
# ImageJ tells the number of images in a stack, which may lie behind one directory.
_IMAGEJ_IMAGES = re.compile(r"^images=(\d+)$", re.MULTILINE)


class PagesError(DatasetError):
    """A file holds several images where one is wanted."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """Width and height, and whether it is said to be a smaller copy, or a transparency mask."""

    size: tuple[int, int]
    reduced: bool = False
    mask: bool = False


def require_one_image(image: Image.Image, name: str) -> None:
    """PagesError, with their number, if the file of an image, not yet decoded, holds others.

    The image is the file's first one before and after. A transparency mask is noted in its info.
    """
    count = _stated_images(image)
    if not count and not getattr(image, "is_animated", False):
        return
    if image.format in ("TIFF", "MPO"):
        first, *others = list(_pages(image))
        image.seek(0)
        if count or not all(_is_copy(page, first) for page in others):
            raise PagesError(_complaint(name, max(count, len(others) + 1)))
        if any(page.mask for page in others):
            image.info[MASK] = True
    else:
        raise PagesError(_complaint(name, getattr(image, "n_frames", 2)))


def _pages(image: Image.Image) -> Iterator[_Page]:
    for number in range(MOST_PAGES):
        try:
            image.seek(number)
        except EOFError:
            return
        except SyntaxError:  # pixels of a kind that Pillow doesn't know, as those of a mask
            if image.format != "TIFF":
                raise
        yield _page_of(image)


def _page_of(image: Image.Image) -> _Page:
    if image.format != "TIFF":
        return _Page(size=image.size)
    tags = getattr(image, "tag_v2", {})
    kind = int(tags.get(_NEW_SUBFILE_TYPE, 0))
    size = int(tags[_WIDTH]), int(tags[_LENGTH])
    return _Page(size=size, reduced=bool(kind & _REDUCED), mask=bool(kind & _MASK))


def _is_copy(page: _Page, first: _Page) -> bool:
    """Whether a page is the first one in small, said to be or smaller in like proportions, or
    belongs to it.
    """
    (width, height), (full_width, full_height) = page.size, first.size
    # Halving rounds up or down.
    alike = abs(width * full_height - height * full_width) <= full_width + full_height
    return page.reduced or page.mask or (width < full_width and height < full_height and alike)


def _stated_images(image: Image.Image) -> int:
    """How many images ImageJ has noted in a TIFF, if more than one; else 0."""
    if image.format != "TIFF":
        return 0
    text = getattr(image, "tag_v2", {}).get(_IMAGE_DESCRIPTION)
    found = _IMAGEJ_IMAGES.search(text) if isinstance(text, str) and text[:7] == "ImageJ=" else None
    count = int(found[1][:9]) if found else 0
    return count if count > 1 else 0


def _complaint(name: str, count: int) -> str:
    number = f"{MOST_PAGES} or more" if count >= MOST_PAGES else str(count)
    return (
        f"{name} holds {number} images (pages, channels or frames), and only one could be used. "
        "Save the one that is meant as a file of its own. Channels of a label map are read if they "
        "hold 0 and one other value, a class each (QuPath's multichannelOutput); join others into "
        "class indices."
    )
