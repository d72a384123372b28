"""The standard mark of an image that a trained model made, in XMP.

IPTC Photo Metadata Standard: Iptc4xmpExt:DigitalSourceType, whose values are IPTC NewsCodes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from histosyn.images.file import opened_header
from histosyn.images.strips import tiff_notes
from histosyn.images.tiles import png_bytes
from hpc.errors import DatasetError

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
# What a chunk of text in a PNG is called that holds XMP (XMP specification, part 3).
PNG_XMP = "XML:com.adobe.xmp"
SYNTHETIC_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)


def synthetic_png_bytes(image: Image.Image, text: dict[str, str] | None = None) -> bytes:
    """`png_bytes` of a picture with synthetic tissue in it, be it a part: with the mark."""
    return png_bytes(image, (text or {}) | {PNG_XMP: SYNTHETIC_XMP})


def says_synthetic(path: Path) -> bool:
    """Whether an image or a slide carries the mark, whoever gave it."""
    in_tiff = tiff_notes(path)
    if in_tiff is not None:
        return SOURCE_TYPE.encode() in in_tiff
    try:
        with opened_header(path, str(path)) as image:
            xmp = image.info.get("xmp", b"")
    except DatasetError:
        return False
    return SOURCE_TYPE.encode() in (xmp.encode() if isinstance(xmp, str) else xmp)


def marked_options(kind: str) -> dict[str, Any]:
    """What Pillow takes to save an image of this kind, "PNG" or "JPEG", with the mark."""
    if kind == "JPEG":
        return {"xmp": SYNTHETIC_XMP.encode()}
    info = PngImagePlugin.PngInfo()
    info.add_itxt(PNG_XMP, SYNTHETIC_XMP)
    return {"pnginfo": info}
