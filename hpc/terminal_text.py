"""Text for people: it can be printed in every encoding, and a terminal obeys nothing in it.

Names of files, and what is in them, come from anywhere. They may hold bytes that are no text,
characters that a terminal's encoding lacks, and sequences that a terminal would carry out.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

# Of a text stream: `open(..., errors=ERRORS)`. Known to Python once this module is imported.
ERRORS = "histosyn.spelled"

# Control characters but for tab and line feed, and those that turn the direction of a line, after
# which a name is not read as it is spelled. Half surrogates are bytes that were no text.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Of our own words; any other character is better shown by its number than by one like it.
_SPELLED = {
    "é": "e", "±": "+/-", "×": "x", "·": "*", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->",
    "←": "<-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "²": "^2", "³": "^3", "½": "1/2",
    "µ": "u", "∞": "inf", "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*", "°": " deg",
}  # fmt: skip
_GREEK = re.compile("GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")
_HORIZONTAL, _VERTICAL = "─━┄┅┈┉╌╍═╴╶╸╺╼╾", "│┃┆┇┊┋╎╏║╵╷╹╻╽╿"


def readable(text: str, encoding: str = "utf-8") -> str:
    """The text with unprintable characters escaped, and those that `encoding` lacks spelled.

    Tabs and line feeds stay.
    """
    text = _UNREADABLE.sub(lambda found: _escaped(found[0]), text)
    return text.encode(encoding, ERRORS).decode(encoding)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _spelled(character: str) -> str:
    if character in _SPELLED:
        return _SPELLED[character]
    if "─" <= character <= "╿":
        return "-" if character in _HORIZONTAL else "|" if character in _VERTICAL else "+"
    greek = _GREEK.fullmatch(unicodedata.name(character, ""))
    if greek:
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else _escaped(character)


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_spelled, lacking)), error.end


codecs.register_error(ERRORS, _spell)
