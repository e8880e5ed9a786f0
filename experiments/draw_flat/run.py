"""Draw the packaged flat: ``python experiments/draw_flat/run.py [folder]``.

Writes ``flat.png`` and ``flat.yaml`` (ROS map_server, 0.05 m per pixel) into
``astro_jax/scenes`` or the folder given.  Everything below is in metres, with the origin
at the lower left outer corner of the flat, x to the right and y up.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

RESOLUTION = 0.05
WIDTH, HEIGHT = 11.0, 8.5
MARGIN = 0.25  # unknown ground around the outer walls

WALL, FREE, UNKNOWN = 0, 254, 205
# Greys between map_server's thresholds: unknown to the robot, furniture to the eye.
BODY, CUSHION, DETAIL = 188, 164, 120

MAP_YAML = f"""\
image: flat.png
mode: trinary
resolution: {RESOLUTION}
origin: [{-MARGIN}, {-MARGIN}, 0.0]
negate: 0
occupied_thresh: 0.65
free_thresh: 0.196
"""


class Sheet:
    """An image addressed in metres; a box is (left, bottom, right, top)."""

    def __init__(self):
        self.rows = round((HEIGHT + 2 * MARGIN) / RESOLUTION)
        columns = round((WIDTH + 2 * MARGIN) / RESOLUTION)
        self.image = Image.new("L", (columns, self.rows), UNKNOWN)
        self.pen = ImageDraw.Draw(self.image)

    def pixels(self, box):
        left, bottom, right, top = (round((v + MARGIN) / RESOLUTION) for v in box)
        return left, self.rows - top, right - 1, self.rows - bottom - 1

    def fill(self, box, shade):
        self.pen.rectangle(self.pixels(box), fill=shade)

    def solid(self, box, shade=BODY, corner=0.0, outline=WALL):
        """A piece of furniture: dark rim, grey inside."""
        self.pen.rounded_rectangle(
            self.pixels(box), radius=corner / RESOLUTION, fill=shade, outline=outline
        )

    def disc(self, x, y, radius, shade=BODY, outline=WALL):
        box = (x - radius, y - radius, x + radius, y + radius)
        self.pen.ellipse(self.pixels(box), fill=shade, outline=outline)

    def plant(self, x, y, radius):
        """A pot with its leaves spread in a cross."""
        self.disc(x, y, radius, BODY)
        reach, half = 0.7 * radius, RESOLUTION / 2
        self.line((x - half - reach, y - half), (x - half + reach, y - half))
        self.line((x - half, y - half - reach), (x - half, y - half + reach))
        self.disc(x, y, 0.35 * radius, DETAIL, outline=DETAIL)

    def line(self, start, end, shade=DETAIL):
        (x0, y0), (x1, y1) = start, end
        ends = [self.pixels((x, y, x + RESOLUTION, y + RESOLUTION))[:2] for x, y in (start, end)]
        assert x0 == x1 or y0 == y1
        self.pen.line(ends, fill=shade)

    def legs(self, box, size=0.1):
        """What a range sensor sees of a table or a chair."""
        left, bottom, right, top = box
        for x in (left, right - size):
            for y in (bottom, top - size):
                self.fill((x, y, x + size, y + size), WALL)


def walls(sheet):
    sheet.fill((0.0, 0.0, WIDTH, HEIGHT), WALL)
    sheet.fill((0.15, 0.15, 6.2, 4.2), FREE)  # living room
    sheet.fill((0.15, 4.3, 4.2, 8.35), FREE)  # kitchen
    sheet.fill((4.3, 4.3, 6.2, 8.35), FREE)  # hall
    sheet.fill((6.3, 4.5, 10.85, 8.35), FREE)  # bedroom
    sheet.fill((6.3, 0.15, 10.85, 4.4), FREE)  # study

    sheet.fill((1.7, 4.2, 2.6, 4.3), FREE)  # living room – kitchen
    sheet.fill((4.85, 4.2, 5.75, 4.3), FREE)  # living room – hall
    sheet.fill((4.2, 5.75, 4.3, 6.65), FREE)  # kitchen – hall
    sheet.fill((6.2, 5.2, 6.3, 6.1), FREE)  # hall – bedroom
    sheet.fill((8.9, 4.4, 9.8, 4.5), FREE)  # bedroom – study
    sheet.fill((6.2, 2.0, 6.3, 2.9), FREE)  # living room – study

    # Windows and the front door: thinner lines in the outer wall.
    for box in ((1.2, 8.4, 3.0, 8.45), (7.9, 8.4, 9.3, 8.45), (10.9, 1.5, 10.95, 3.0)):
        sheet.fill(box, UNKNOWN)
    for box in ((0.05, 1.2, 0.1, 3.0), (1.6, 0.05, 3.6, 0.1), (7.6, 0.05, 9.0, 0.1)):
        sheet.fill(box, UNKNOWN)
    sheet.fill((4.85, 8.4, 5.7, 8.5), CUSHION)


def living_room(sheet):
    sheet.solid((0.9, 0.2, 3.1, 1.1), corner=0.15)  # sofa, its back to the window
    for left in (1.1, 1.75, 2.4):
        sheet.solid((left, 0.4, left + 0.55, 1.05), CUSHION, corner=0.1, outline=DETAIL)
    sheet.solid((1.45, 1.85, 2.55, 2.35), corner=0.1)  # coffee table
    sheet.solid((0.3, 1.9, 0.7, 2.3), CUSHION, corner=0.1)  # footstool
    sheet.solid((2.85, 3.85, 4.55, 4.2))  # television bench
    sheet.line((3.15, 4.0), (4.2, 4.0), WALL)
    sheet.plant(0.475, 3.825, 0.275)
    sheet.disc(3.4, 0.45, 0.15, CUSHION)  # floor lamp
    sheet.solid((5.95, 3.05, 6.2, 3.95))  # bookcase
    sheet.line((6.0, 3.5), (6.1, 3.5))

    left, right, bottom, top = 4.25, 5.15, 0.15, 1.5  # dining table, one end at the wall
    sheet.legs((left, bottom, right, top))
    for y in (0.35, 0.95):
        sheet.legs((left - 0.2, y, left + 0.2, y + 0.4))
        sheet.legs((right - 0.2, y, right + 0.2, y + 0.4))
    middle = (left + right) / 2
    sheet.legs((middle - 0.2, top - 0.2, middle + 0.2, top + 0.2))


def kitchen(sheet):
    sheet.solid((0.15, 7.75, 3.3, 8.35))  # counter along the window
    sheet.solid((0.15, 5.5, 0.75, 7.8))
    sheet.fill((0.2, 7.7, 0.7, 7.85), BODY)
    sheet.solid((1.55, 7.9, 2.25, 8.2), CUSHION, corner=0.1, outline=DETAIL)  # sink
    sheet.solid((0.2, 6.2, 0.7, 6.75), CUSHION, outline=DETAIL)  # hob
    for x in (0.35, 0.55):
        for y in (6.35, 6.6):
            sheet.fill((x - 0.05, y - 0.05, x + 0.05, y + 0.05), DETAIL)
    sheet.solid((3.35, 7.7, 4.0, 8.35), CUSHION)  # fridge
    sheet.line((3.4, 7.8), (3.9, 7.8))
    sheet.solid((1.75, 6.1, 2.95, 6.75), corner=0.05)  # island with two stools
    sheet.disc(2.05, 5.9, 0.15, CUSHION)
    sheet.disc(2.65, 5.9, 0.15, CUSHION)
    sheet.solid((3.0, 4.3, 4.2, 4.7))  # sideboard
    sheet.line((3.6, 4.35), (3.6, 4.6))


def hall(sheet):
    sheet.solid((5.85, 6.9, 6.2, 8.2))  # shoe cabinet
    sheet.line((5.9, 7.55), (6.1, 7.55))
    sheet.disc(4.6, 8.05, 0.2, CUSHION)  # umbrella stand
    sheet.solid((4.3, 6.95, 4.5, 7.7))  # coats


def bedroom(sheet):
    sheet.solid((7.8, 6.3, 9.4, 8.35))  # bed
    sheet.solid((7.95, 7.8, 8.55, 8.2), CUSHION, corner=0.1, outline=DETAIL)
    sheet.solid((8.65, 7.8, 9.25, 8.2), CUSHION, corner=0.1, outline=DETAIL)
    sheet.line((7.85, 7.55), (9.3, 7.55))
    for left in (7.4, 9.4):  # night tables with lamps
        sheet.solid((left, 7.95, left + 0.4, 8.35))
        sheet.disc(left + 0.2, 8.15, 0.1, CUSHION, outline=DETAIL)
    sheet.solid((10.25, 5.3, 10.85, 7.5))  # wardrobe
    for y in (5.85, 6.4, 6.95):
        sheet.line((10.3, y), (10.75, y))
    sheet.solid((6.3, 6.75, 6.75, 8.05))  # chest of drawers
    sheet.line((6.35, 7.15), (6.65, 7.15))
    sheet.line((6.35, 7.6), (6.65, 7.6))
    sheet.solid((6.85, 4.5, 8.05, 4.75))  # low bookcase


def study(sheet):
    sheet.solid((10.1, 1.4, 10.85, 3.0))  # desk
    sheet.line((10.6, 1.9), (10.6, 2.5), WALL)  # screen
    sheet.disc(9.8, 2.2, 0.25, CUSHION)  # office chair
    sheet.disc(9.8, 2.2, 0.1, DETAIL, outline=DETAIL)
    sheet.solid((6.9, 0.15, 9.6, 0.5))  # shelves
    for x in (7.55, 8.2, 8.85):
        sheet.line((x, 0.2), (x, 0.4))
    sheet.plant(10.475, 0.525, 0.275)
    sheet.solid((6.6, 3.5, 7.4, 4.25), corner=0.2)  # reading chair
    sheet.solid((6.75, 3.6, 7.25, 4.05), CUSHION, corner=0.1, outline=DETAIL)
    sheet.disc(7.8, 4.1, 0.2, CUSHION)  # side table
    sheet.solid((9.95, 4.0, 10.85, 4.4))  # cabinet


def draw():
    """The flat as an 8-bit grey image, row 0 at the top."""
    sheet = Sheet()
    for part in (walls, living_room, kitchen, hall, bedroom, study):
        part(sheet)
    return sheet.image


if __name__ == "__main__":
    scenes = Path(__file__).resolve().parents[2] / "astro_jax" / "scenes"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else scenes
    draw().save(folder / "flat.png", optimize=True)
    (folder / "flat.yaml").write_text(MAP_YAML, encoding="utf-8")
