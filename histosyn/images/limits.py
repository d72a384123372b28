"""Size limits of image files, checked before anything is decoded. docs/faults.md has the table.

The number of pixels may be raised by the environment variable HISTOSYN_MAX_PIXELS.
"""

from __future__ import annotations

from PIL import Image

from hpc.limits import raised_limit

MAX_PIXELS_VARIABLE = "HISTOSYN_MAX_PIXELS"


# A tile is cut from a slide: 11,585 pixels squared are far beyond any, and still fit into memory
# (1.5 GiB while it is read). Below 2 * Image.MAX_IMAGE_PIXELS, where Pillow refuses by itself: so
# this is the limit that acts, and whatever histosyn writes below it can be read again.
MAX_PIXELS = raised_limit(MAX_PIXELS_VARIABLE, 1 << 27, "pixels")
# Room for pixels of 8 bytes that are not compressed.
MAX_FILE_BYTES = 8 * MAX_PIXELS
# Each scan of a progressive JPEG goes over all pixels again; encoders make about ten.
MOST_JPEG_SCANS = 200
# More different colours than any drawing has: a photograph, or noise.
MOST_COLORS = 1 << 16
if Image.MAX_IMAGE_PIXELS is not None and 2 * Image.MAX_IMAGE_PIXELS < MAX_PIXELS:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
