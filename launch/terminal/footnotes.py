"""Remarks below a table, which its cells point to by number."""

from __future__ import annotations

from collections.abc import Iterator


class Notes:
    """Remarks in the order of their first use; equal ones share a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str | None) -> str:
        """ "(3)" for the third remark, "" for none."""
        if not text:
            return ""
        if text not in self.texts:
            self.texts.append(text)
        return f"({self.texts.index(text) + 1})"

    def lines(self) -> Iterator[str]:
        """The remarks with their numbers."""
        for index, text in enumerate(self.texts, start=1):
            yield f"({index}) {text}"
