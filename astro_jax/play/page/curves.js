// Survival, speed and the time bar of one cycle, beside the map.

function begin(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2), { clientWidth: w, clientHeight: h } = canvas;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  context.font = "11px system-ui, sans-serif";
  return [context, w, h];
}

// A curve over the plan's time; `low` and `high` of the axis, `format` for its two labels;
// `beside` is dashed: what it would have been.
export function drawCurve(canvas, values, { dt, low, high, colour, format, fill, beside }) {
  const [context, w, h] = begin(canvas), left = 38, bottom = h - 14, top = 5, right = w - 6;
  const x = (k) => left + (right - left) * k / (values.length - 1);
  const y = (v) => bottom - (bottom - top) * (v - low) / (high - low);
  context.strokeStyle = "#d5dae0";
  context.fillStyle = "#55616f";
  context.lineWidth = 1;
  for (const v of [low, high]) {
    context.beginPath();
    context.moveTo(left, y(v)); context.lineTo(right, y(v));
    context.stroke();
    context.textAlign = "right";
    context.fillText(format(v), left - 5, y(v) + 4);
  }
  const last = dt * (values.length - 1);
  for (let s = 0; s <= last + 1e-6; s++) {
    context.textAlign = s ? (s + 1 > last ? "right" : "center") : "left";
    context.fillText(`${s} s`, x(s / dt), h - 2);
  }
  if (low < 0) {
    context.beginPath(); context.moveTo(left, y(0)); context.lineTo(right, y(0)); context.stroke();
  }
  const trace = (curve) => {
    context.beginPath();
    curve.forEach((v, k) => { context.lineTo(x(k), y(Math.min(Math.max(v, low), high))); });
  };
  if (beside) {
    trace(beside);
    context.strokeStyle = "#55616f";
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }
  trace(values);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.lineJoin = "round";
  context.stroke();
  if (fill) {
    const floor = y(Math.max(low, 0));
    context.lineTo(right, floor); context.lineTo(left, floor);
    context.fillStyle = fill;
    context.fill();
  }
}

export const PARTS = [
  ["plan", "planning", "#0b4fd1"], ["gate", "gate", "#00a9c9"],
  ["world", "simulator", "#8a96a3"], ["page", "page", "#e07b00"],
];

export function drawTiming(canvas, parts, period) {
  const [context, w, h] = begin(canvas);
  context.fillStyle = "#e9ecf0";
  context.fillRect(0, 0, w, h);
  let x = 0;
  for (const [name, , colour] of PARTS) {
    const width = w * parts[name] / period;
    context.fillStyle = colour;
    context.fillRect(x, 0, Math.min(width, w - x), h);
    if (width > 20) {
      context.fillStyle = "#ffffff";
      context.textAlign = "center";
      context.fillText(Math.round(parts[name]), x + width / 2, h / 2 + 4);
    }
    x += width;
  }
}
