"""Draws the diagrams of the docs as SVG: ``scripts/pictures``. No JavaScript, no other site."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 760
INK, LINE, FILL, MARK = "#1f2937", "#64748b", "#eef2ff", "#dcfce7"


class Drawing:
    """Boxes, arrows and words on a white ground, which can be read on a dark page too."""

    def __init__(self, height: int, title: str) -> None:
        self._height, self._title = height, title
        self._parts: list[str] = []

    def box(self, x: int, y: int, width: int, height: int, *lines: str, fill: str = FILL) -> None:
        """A box with centred lines; the first is bold."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" '
            f'stroke="{LINE}"/>'
        )
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.words(x + width / 2, top + 18 * number, line, bold=number == 0, middle=True)

    def words(
        self, x: float, y: float, text: str, *, bold: bool = False, middle: bool = False
    ) -> None:
        """One line of text."""
        anchor = ' text-anchor="middle"' if middle else ""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(f'<text x="{x}" y="{y}"{anchor}{weight}>{escape(text)}</text>')

    def arrow(self, *points: tuple[int, int], dashed: bool = False) -> None:
        """A line through the points with a head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.6"{dash} '
            'marker-end="url(#head)"/>'
        )

    def svg(self) -> str:
        """The file's text."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" '
                f'role="img" font-family="sans-serif" font-size="14" fill="{INK}">',
                f"<title>{escape(self._title)}</title>",
                '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
                f'markerHeight="8" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{LINE}"/>'
                "</marker></defs>",
                f'<rect width="{WIDTH}" height="{self._height}" rx="10" fill="#ffffff"/>',
                *self._parts,
                "</svg>\n",
            ]
        )


def way_of_a_row() -> Drawing:
    """From Dataverse to the destination."""
    drawing = Drawing(300, "The way of a row from Dataverse to the destination")
    top = [
        ("Dataverse", "Web API, HTTPS"),
        ("client", "permits, retries"),
        ("Arrow batch", "types of the metadata"),
        ("dlt", "Parquet, then merge"),
    ]
    for number, lines in enumerate(top):
        drawing.box(16 + 187 * number, 40, 166, 64, *lines)
        if number:
            drawing.arrow((16 + 187 * number - 21, 72), (16 + 187 * number - 3, 72))
    drawing.box(577, 196, 166, 64, "destination", "rows and state", fill=MARK)
    drawing.arrow((660, 104), (660, 193))
    drawing.box(203, 196, 166, 64, "state of a table", "delta link, watermark", fill=MARK)
    drawing.arrow((574, 228), (372, 228))
    drawing.words(472, 220, "saved with the rows", middle=True)
    drawing.arrow((286, 193), (286, 107), dashed=True)
    drawing.words(296, 156, "next run")
    drawing.box(16, 196, 166, 64, "metadata", "tables, columns")
    drawing.arrow((99, 193), (99, 134), (473, 134), (473, 107), dashed=True)
    return drawing


def change_tracking() -> Drawing:
    """When the delta link is taken, and what each run reads."""
    drawing = Drawing(330, "Change tracking: what each run reads")
    drawing.arrow((24, 60), (740, 60))
    drawing.words(24, 44, "time", bold=True)
    for x, text in ((60, "first run"), (420, "second run"), (600, "third run")):
        drawing.words(x, 84, text)
    drawing.box(60, 104, 128, 58, "1. delta link", "asked for by keys")
    drawing.box(196, 104, 100, 58, "2. all rows", "in parallel")
    drawing.box(304, 104, 104, 58, "3. changes", "since step 1")
    drawing.box(420, 104, 150, 58, "changes since", "the first run")
    drawing.box(600, 104, 144, 58, "changes since", "the second run")
    drawing.arrow((356, 165), (356, 214), (495, 214), (495, 165), dashed=True)
    drawing.words(366, 208, "new delta link")
    drawing.arrow((520, 165), (520, 232), (672, 232), (672, 165), dashed=True)
    drawing.words(540, 226, "new delta link")
    drawing.box(60, 254, 684, 54, "destination", "new, changed and deleted rows are merged by key; "
                "rows and delta link are saved together", fill=MARK)  # fmt: skip
    return drawing


def reconciliation() -> Drawing:
    """How all rows of a table are compared, and what is done about a difference."""
    drawing = Drawing(330, "Reconciliation: all rows are compared, every difference is corrected")
    drawing.box(16, 30, 190, 62, "Dataverse", "key, version of all rows")
    drawing.box(16, 238, 190, 62, "destination", "key, version of all rows", fill=MARK)
    drawing.box(262, 134, 130, 62, "compare", "key by key")
    drawing.arrow((209, 61), (327, 61), (327, 131))
    drawing.arrow((209, 269), (327, 269), (327, 199))
    for y, what, done in (
        (20, "missing, other version", "read again"),
        (98, "extra", "looked at again, then removed"),
        (252, "all equal", "proved: rows and digest"),
    ):
        drawing.box(500, y, 244, 58, what, done, fill=MARK if what == "all equal" else FILL)
    drawing.arrow((395, 165), (440, 165), (440, 49), (497, 49))
    drawing.arrow((440, 165), (440, 127), (497, 127))
    drawing.arrow((440, 165), (440, 281), (497, 281))
    drawing.arrow((622, 159), (622, 249), dashed=True)
    drawing.words(632, 208, "next comparison")
    return drawing


def main() -> None:
    """Write all diagrams."""
    PICTURES.mkdir(exist_ok=True)
    for draw in (way_of_a_row, change_tracking, reconciliation):
        name = draw.__name__.replace("_", "-")
        (PICTURES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
