// The house from above: what hardly changes. Map, zones, doors, the route layer's guidance.
import { alpha, cellImage, clear, drawArrows, outline, rgb } from "./draw.js";

export function houseImage(house) {
  const [rows, columns] = house.known.shape, c = house.colours;
  const colours = [rgb(c.free), rgb(c.wall), rgb(c.unknown)].map((v) => [...v, 255]);
  const tape = house.stripes.map((hex) => [...rgb(hex), 255]);
  return cellImage(rows, columns, (k) => {
    const row = Math.floor(k / columns), column = k % columns;
    return house.surprise[k] ? tape[((row + column) >> 1) % 2] : colours[house.known[k]];
  });
}

export function drawGround(context, view, house, image, route) {
  clear(context);
  view.apply(context);
  context.imageSmoothingEnabled = false;
  const [rows, columns] = house.known.shape, r = house.resolution;
  context.drawImage(image, house.origin[0] - r / 2, house.origin[1] - r / 2, columns * r, rows * r);
  if (route) drawArrows(context, view, route, () => true, alpha(house.colours.guide, 0.45));
  for (const zone of house.zones) drawZone(context, view, zone);
  for (const door of house.doors) drawDoor(context, view, door, house.colours);
}

function drawDoor(context, view, { jambs: [[ax, ay], [bx, by]], closed }, colours) {
  const dx = bx - ax, dy = by - ay, width = Math.hypot(dx, dy);
  context.lineCap = "round";
  const stroke = (colour, pixels) => {
    context.strokeStyle = colour;
    context.lineWidth = view.px(pixels);
    context.stroke();
  };
  context.beginPath();
  context.moveTo(ax, ay);
  if (closed) {
    context.lineTo(bx, by);
    stroke("#ffffff", 9);
    stroke(colours.door, 5.5);
    return;
  }
  // ajar: the leaf swung out, and the arc that it swings along
  context.lineTo(ax - dy, ay + dx);
  stroke(colours.door, 2.5);
  context.beginPath();
  const from = Math.atan2(dy, dx);
  context.arc(ax, ay, width, from, from + Math.PI / 2);
  context.setLineDash([view.px(3), view.px(5)]);
  stroke(alpha(colours.door, 0.45), 1.2);
  context.setLineDash([]);
}

// ---- zones ----------------------------------------------------------------------------------

const TILE = 12;  // pixels

// What tells the kinds apart without colour: crosses, dots, bars.
const HATCHES = {
  "no-go": (g) => { g.moveTo(0, 0); g.lineTo(TILE, TILE); g.moveTo(TILE, 0); g.lineTo(0, TILE); },
  slow: (g) => { g.moveTo(6, 6); g.lineTo(6.01, 6); },
  stairs: (g) => { g.moveTo(6, 0); g.lineTo(6, TILE); },
};

export function hatched(context, kind, colour, scale) {
  const tile = new OffscreenCanvas(TILE, TILE), g = tile.getContext("2d");
  g.beginPath();
  HATCHES[kind](g);
  g.strokeStyle = alpha(colour, 0.7);
  g.lineWidth = kind === "slow" ? 3 : 1.3;
  g.lineCap = "round";
  g.stroke();
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(scale));
  return pattern;
}

function drawZone(context, view, { name, kind, outline: corners, colour }) {
  outline(context, corners);
  context.fillStyle = alpha(colour, 0.13);
  context.fill();
  context.fillStyle = hatched(context, kind, colour, view.px(1));
  context.fill();
  context.strokeStyle = colour;
  context.lineWidth = view.px(corners.length > 2 ? 1.6 : 3);
  context.stroke();
  context.save();
  const middle = [0, 1].map((j) => corners.reduce((sum, corner) => sum + corner[j], 0) / corners.length);
  context.translate(...middle);
  context.scale(view.px(1), -view.px(1));  // letters in pixels, upright
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = "#ffffff";
  context.strokeText(name, 0, 0);
  context.fillStyle = colour;
  context.fillText(name, 0, 0);
  context.restore();
}
