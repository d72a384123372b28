"""The standard mark of synthetic images, as any program finds it."""

import base64
import io
from pathlib import Path

from PIL import Image

MARK = (
    b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    b'trainedAlgorithmicMedia"'
)


def is_marked(source: Path | bytes | str) -> bool:
    """Whether a PNG, JPEG or TIFF (or a PNG in a data address) carries the mark in its XMP."""
    if isinstance(source, str):
        source = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        image.load()
        return MARK in image.info.get("xmp", b"")
