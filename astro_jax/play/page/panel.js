// The panel beside the map: what the robot does, curves, sliders, legend.
import { drawCurve, drawTiming, PARTS } from "./curves.js";
import { drawGoal } from "./draw.js";
import { hatched } from "./ground.js";
import { View } from "./view.js";

export const $ = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(share > 0.9 && share < 1 ? 1 : 0)} %`;
const tidy = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2);  // no −0.00
function write(id, text) { const node = $(id); if (node.textContent !== text) node.textContent = text; }

export function showFrame(house, frame, news) {
  $("status").dataset.tone = news.note ? news.tone : frame.tone;
  write("says", frame.says);
  write("speed", `${tidy(frame.speed)} m/s`);
  write("scale", `${Math.round(100 * frame.scale)} %`);
  write("contacts", `${frame.contacts[0]}${frame.contacts[1] ? `, ${frame.contacts[1]} its fault` : ""}`);
  const { survival, speeds, promised, counted } = frame, end = survival.at(-1), top = house.robot.speed, c = house.colours;
  write("survival-end", percent(end));
  write("speed-end", `up to ${tidy(Math.max(...speeds, 0))} m/s`);
  write("counted-end", `${tidy(counted.at(-1))} of ${tidy(promised.at(-1))} s`);
  const shared = { dt: house.dt };
  drawCurve($("survival"), survival, { ...shared, low: end > 0.9 ? 0.9 : end > 0.5 ? 0.5 : 0, high: 1, colour: c.person, fill: `${c.person}22`, format: (v) => `${Math.round(100 * v)} %` });
  const most = Math.ceil(Math.max(...promised, ...counted, 0.5)), least = Math.floor(Math.min(...promised, ...counted, 0) + 0.05);
  drawCurve($("progress"), counted, { ...shared, low: least, high: most, colour: house.costs[0], fill: `${house.costs[0]}26`, beside: promised, format: (v) => `${v} s` });
  const low = Math.min(...speeds) < -0.01 ? -0.25 : 0;
  drawCurve($("speeds"), speeds, { ...shared, low, high: top, colour: c.plan, fill: `${c.plan}1c`, format: (v) => v.toFixed(v < 0 ? 2 : top === v ? 2 : 0) });
  const t = frame.timing, period = 1000 * house.period;
  const parts = { plan: t.plan ?? 0, gate: t.gate ?? 0, world: (t.see ?? 0) + (t.world ?? 0), page: (t.frame ?? 0) + (t.lead ?? 0) };
  drawTiming($("timing"), parts, period);
  const used = PARTS.map(([name, words]) => `${words} ${parts[name].toFixed(0)}`).join(" · ");
  const late = t.late ? `, ${t.late} cycles late so far` : "";
  write("timing-text", `${used} of ${period.toFixed(0)} ms. ${t.hz.toFixed(1)} cycles a second${late}.`);
}

export function showNews(news) {
  const note = $("note");
  note.hidden = !news.note;
  if (news.note) note.textContent = news.note;
  $("pause").setAttribute("aria-pressed", news.paused);
  $("pause").querySelector("span").textContent = news.paused ? "Go on" : "Pause";
  for (const button of $("candidates").children) {
    const size = Number(button.dataset.size);
    button.disabled = !news.ready.includes(size);
    button.title = button.disabled ? "is being compiled in the background" : "";
    button.setAttribute("aria-checked", size === news.candidates);
  }
  for (const [name, value] of Object.entries(news.values)) {
    const input = $(`slider-${name}`);
    if (!input || input.dataset.busy) continue;
    input.value = toTrack(input.slider, value);
    write(`value-${name}`, shown(input.slider, value));
  }
}

// ---- sliders --------------------------------------------------------------------------------

const STEPS = 200;
function toTrack({ low, high, by_factors }, value) {
  return STEPS * (by_factors ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
}
function fromTrack({ low, high, by_factors }, track) {
  const share = track / STEPS;
  const value = by_factors ? low * (high / low) ** share : low + share * (high - low);
  return Math.min(Math.max(Number(value.toPrecision(3)), low), high);
}
function shown({ unit }, value) {
  return unit === "×" ? `× ${value >= 3 ? value.toFixed(1) : value.toFixed(2)}` : `${value.toFixed(2)} ${unit}`;
}

export function makeSliders(house, send) {
  if ($("sliders").children.length) return;
  for (const [name, colour] of Object.entries(house.colours)) document.documentElement.style.setProperty(`--${name}`, colour);
  for (const slider of house.sliders) {
    const row = document.createElement("div");
    row.className = "slider";
    const label = document.createElement("label"), value = document.createElement("output");
    const input = document.createElement("input"), words = document.createElement("small");
    label.htmlFor = input.id = `slider-${slider.name}`;
    label.textContent = slider.label;
    value.id = `value-${slider.name}`;
    value.htmlFor = input.id;
    words.textContent = slider.words;
    Object.assign(input, { type: "range", min: 0, max: STEPS, step: 1, slider, value: toTrack(slider, slider.start) });
    value.textContent = shown(slider, slider.start);
    let waiting = null;
    input.oninput = () => {
      const wanted = fromTrack(slider, Number(input.value));
      value.textContent = shown(slider, wanted);
      input.dataset.busy = "1";
      clearTimeout(waiting);
      // the newest of a tenth of a second
      waiting = setTimeout(() => { send("set", { name: slider.name, value: wanted }); delete input.dataset.busy; }, 100);
    };
    label.ondblclick = () => send("set", { name: slider.name, value: slider.start });
    row.append(label, value, input, words);
    $("sliders").append(row);
  }
  for (const size of house.sizes) {
    const button = document.createElement("button");
    Object.assign(button, { textContent: size, disabled: true });
    button.dataset.size = size;
    button.setAttribute("role", "radio");
    button.onclick = () => send("set", { name: "candidates", value: size });
    $("candidates").append(button);
  }
  makeLegend(house);
}

// ---- legend ---------------------------------------------------------------------------------

const ZONES = {
  "no-go": "A zone that routes keep out of",
  slow: "A zone in which routes count on less speed",
  stairs: "An edge to fall over; routes keep away from it",
};

function makeLegend(house) {
  const c = house.colours, costs = house.costs;
  const line = (colour, width, dash = []) => (g) => {
    g.strokeStyle = colour; g.lineWidth = width; g.setLineDash(dash);
    g.beginPath(); g.moveTo(3, 11); g.lineTo(37, 11); g.stroke();
  };
  const box = (colour, edge) => (g) => { g.fillStyle = colour; g.fillRect(8, 3, 24, 16); if (edge) { g.strokeStyle = edge; g.strokeRect(8.5, 3.5, 23, 15); } };
  const marks = [
    [(g) => { g.fillStyle = c.robot; g.fillRect(6, 5, 20, 12); g.fillStyle = c.screen; g.fillRect(28, 4, 4, 14); }, "The robot, its exact footprint; the bar is its screen, the glow is where it faces"],
    [(g) => { for (let k = 0; k < costs.length; k++) { g.fillStyle = costs[k]; g.fillRect(2 + 1.5 * k, 4, 2, 14); } }, "Every motion weighed in this cycle: dark is best, pale is worst. They begin where the robot will be when they can take effect: the later, the farther ahead"],
    [line(c.plan, 4), "The chosen plan, with the footprint every half second"],
    [(g) => { g.fillStyle = c.person; g.beginPath(); g.arc(20, 11, 8, 0, 7); g.fill(); }, "A person whom the robot knows of; hollow: it does not. Drag it; drag its arrow to let it walk that way"],
    [(g) => { g.fillStyle = `${c.person}30`; g.strokeStyle = c.person; for (const [x, r] of [[9, 4], [19, 7], [29, 10]]) { g.beginPath(); g.arc(x, 11, r, 0, 7); g.fill(); g.stroke(); } }, "Where it expects people in 1, 2 and 3 s (1 σ); dashed: should they turn or stop"],
    [(g) => { const view = new View(); view.scale = 42; view.resize(40, 22); view.x = 0.1; view.apply(g); drawGoal(g, view, c.goal, [0, 0, 0], 1); }, "The goal and the way to face there. Drag it, or click the floor and pull to aim"],
    [(g) => { line(c.trail, 1.3)(g); g.beginPath(); g.moveTo(30, 7); g.lineTo(37, 11); g.lineTo(30, 15); g.stroke(); }, "The route layer’s guidance: downhill to the goal"],
    [box(c.sensed), "What the robot itself has found blocked"],
    [box("#d8dce1"), "In its map, but not seen lately"],
    [(g) => { for (let k = 0; k < 6; k++) { g.fillStyle = house.stripes[k % 2]; g.fillRect(8 + 4 * k, 3, 4, 16); } }, "There in truth, but not on the map it was given"],
    [line(c.door, 2.5), "A door ajar; thick: shut. Tap it"],
    [line(c.faint, 1.5, [5, 3]), "Dashed: 6 × 6 m that the planner knows; dotted: 2 × 2 m that the gate watches at 50 Hz"],
    [line(c.trail, 2, [2, 4]), "The way driven in the last minute"],
  ];
  for (const kind of new Set(house.zones.map((zone) => zone.kind))) {
    const { colour } = house.zones.find((zone) => zone.kind === kind);
    marks.push([(g) => { g.fillStyle = hatched(g, kind, colour, 0.7); g.fillRect(4, 2, 32, 18); g.strokeStyle = colour; g.strokeRect(4.5, 2.5, 31, 17); }, ZONES[kind]]);
  }
  for (const [paint, words] of marks) {
    const item = document.createElement("li"), canvas = document.createElement("canvas"), text = document.createElement("span");
    Object.assign(canvas, { width: 80, height: 44 });
    const g = canvas.getContext("2d");
    g.scale(2, 2);
    paint(g);
    text.textContent = words;
    item.append(canvas, text);
    $("legend").append(item);
  }
}
