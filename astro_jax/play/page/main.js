// The live page: messages in, pictures out, commands back.
import { connect, FRAME, HOUSE, NEWS, ROUTE } from "./link.js";
import { drawCycle, drawMoving } from "./draw.js";
import { drawGround, houseImage } from "./ground.js";
import { Hands, listenToKeys } from "./keys.js";
import { $, makeSliders, showFrame, showNews } from "./panel.js";
import { Tools } from "./tools.js";
import { makeTour } from "./tour.js";
import { View } from "./view.js";

const REMEMBERED = 600;  // frames to scrub back through: a minute
const layers = Object.fromEntries(["ground", "cycle", "moving"].map((id) => [id, $(id).getContext("2d")]));
const view = new View();
const got = { house: null, route: null, news: null };
const ring = [];
let back = null;  // index of the frame that is looked back at
let arrived = 0, drawn = {};

const tour = makeTour();
const say = connect({
  on(kind, head) {
    if (kind === HOUSE) {
      const first = !got.house;
      got.house = head;
      makeSliders(head, send);
      if (got.news?.values) showNews(got.news);
      if (first) whole();
    } else if (kind === ROUTE) got.route = head;
    else if (kind === NEWS) hear(head);
    else if (kind === FRAME) keep(head);
  },
  answer(said) {
    if (said.error) toast(said.error);
    if (said.moment) save(said);
  },
  lost(reason) { veil(reason || "The connection is lost. Trying again …"); },
});

function send(what, fields) {
  say(what, fields);
  tour(what, fields);
}

function hear(news) {
  if (news.phase !== "driving") {
    veil(news.phase === "failed" ? news.note : `Getting ready: ${news.note} …`);
    return;
  }
  got.news = news;
  if (got.house) showNews(news);
}

function keep(frame) {
  if (ring.length && frame.cycle <= ring.at(-1).cycle) ring.length = 0;  // another process, another story
  // what was true and wanted then, to look back at
  ring.push(Object.assign(frame, { house: got.house, route: got.route, goal: goal() }));
  arrived = performance.now();
  window.astro.cycles++;
  if (ring.length > REMEMBERED) { ring.shift(); if (back !== null) back = Math.max(back - 1, 0); }
  $("veil").hidden = true;
  showScrub();
}

// For tests and measurements: pictures and cycles so far, and where a place is in the window.
window.astro = { frames: 0, cycles: 0, got, ring, send, pixels: (x, y) => view.pixels(x, y, $("stage").getBoundingClientRect()) };

// ---- what is shown ----------------------------------------------------------------------------

const shown = () => ring[back ?? ring.length - 1];

// Between two frames the robot and the people move on as they did, tick by tick.
function now() {
  const frame = shown(), ticks = frame.motion.shape[0], people = frame.walks.shape[1];
  const span = 1000 * got.house.period / (got.news?.values.pace ?? 1);
  const share = back === null ? Math.min((performance.now() - arrived) / span, 1) : 1;
  const place = Math.max(share * ticks - 1, 0), k = Math.floor(place), f = place - k, m = Math.min(k + 1, ticks - 1);
  const mix = (array, width, j) => array[width * k + j] + f * (array[width * m + j] - array[width * k + j]);
  const pose = [0, 1, 2].map((j) => mix(frame.motion, 4, j));
  return {
    pose, pan: mix(frame.motion, 4, 3),
    people: Array.from({ length: people }, (_, j) => ({
      x: mix(frame.walks, 2 * people, 2 * j), y: mix(frame.walks, 2 * people, 2 * j + 1),
      vx: frame.people[4 * j + 2], vy: frame.people[4 * j + 3],
      held: hands.who === j || (tools.grip?.kind === "person" && tools.grip.who === j),
    })),
  };
}

function trail() {
  return ring.slice(0, (back ?? ring.length - 1) + 1).filter((_, k) => k % 2 === 0).map(({ pose }) => pose);
}

function goal() { return got.news?.goal ?? null; }

function paint() {
  requestAnimationFrame(paint);
  window.astro.frames++;
  const frame = shown(), { news } = got, live = back === null;
  if (!frame?.house || !news) return;
  const { house, route } = live ? got : frame, here = now(), aim = live ? goal() : frame.goal;
  if (view.followed) view.centre(here.pose[0], here.pose[1]);
  const moved = drawn.view !== view.version || drawn.route !== route || drawn.house !== house || drawn.aim !== (aim !== null);
  const guide = aim ? route : null, image = drawn.house === house ? drawn.image : houseImage(house);
  if (moved) drawGround(layers.ground, view, house, image, guide);
  if (moved || drawn.frame !== frame) drawCycle(layers.cycle, view, house, guide, frame, trail());
  if (drawn.frame !== frame || drawn.news !== news || drawn.live !== live) showFrame(house, frame, live ? news : {});
  const wish = tools.wish && [tools.wish[0], tools.wish[1], tools.wish[2] ?? Math.atan2(tools.wish[1] - here.pose[1], tools.wish[0] - here.pose[0])];
  drawMoving(layers.moving, view, house, frame, here, aim, wish);
  drawn = { view: view.version, house, image, frame, route, news, live, aim: aim !== null };
}

function whole() {
  const { house } = got, [rows, columns] = house.known.shape, r = house.resolution;
  // the part of the map that anything is known of
  let [left, low, right, high] = [columns, rows, 0, 0];
  for (let k = 0; k < rows * columns; k++) {
    if (house.known[k] === 2) continue;
    const row = Math.floor(k / columns), column = k % columns;
    left = Math.min(left, column); right = Math.max(right, column); low = Math.min(low, row); high = Math.max(high, row);
  }
  const x = house.origin[0] - r / 2, y = house.origin[1] - r / 2;
  view.fit([x + left * r, y + low * r, x + (right + 1) * r, y + (high + 1) * r]);
}

function follow(on) {
  view.followed = on;
  if (on) view.fit([0, 0, got.house.windows[0], got.house.windows[0]], 8);
  else whole();
  $("zoom").setAttribute("aria-pressed", on);
}

// ---- back in time -----------------------------------------------------------------------------

function showScrub() {
  const scrub = $("scrub"), last = ring.length - 1, at = back ?? last;
  scrub.max = last;
  scrub.value = at;
  $("when").textContent = back === null ? "live" : `−${(ring[last].time - ring[at].time).toFixed(1)} s`;
  $("live").hidden = back === null;
}

function look(index) {
  back = index >= ring.length - 1 ? null : Math.max(index, 0);
  showScrub();
}

// ---- hands ------------------------------------------------------------------------------------

const see = () => ({ house: got.house && ring.length ? got.house : null, now: ring.length ? now() : null, goal: goal(), view, back: back !== null });
const tools = new Tools($("moving"), send, see);
const hands = new Hands(send, see);

const pause = () => send("pause", { on: !got.news?.paused });
const step = () => { look(Infinity); send("step"); };
const toggle = () => follow(!view.followed);
const exported = () => shown() && send("export", { cycle: shown().cycle });

$("pause").onclick = pause;
$("step").onclick = step;
$("stop").onclick = () => send("stop");
$("reset").onclick = () => send("reset");
$("zoom").onclick = toggle;
$("export").onclick = exported;
$("scrub").oninput = () => look(Number($("scrub").value));
$("live").onclick = () => look(Infinity);
listenToKeys(() => got.house && ring.length > 0, {
  " ": pause, s: () => send("stop"), r: () => send("reset"), z: toggle, e: exported,
  ArrowLeft: () => look((back ?? ring.length - 1) - 1),
  ArrowRight: () => (back === null ? got.news?.paused && step() : look(back + 1)),
  Home: () => look(0), End: () => look(Infinity),
  g: () => tools.over && send("goal", { x: tools.over[0], y: tools.over[1] }),
  1: () => tools.choose("move"), 2: () => tools.choose("put"), 3: () => tools.choose("erase"),
  ShiftArrowLeft: () => hands.nudge(-1, 0), ShiftArrowRight: () => hands.nudge(1, 0),
  ShiftArrowUp: () => hands.nudge(0, 1), ShiftArrowDown: () => hands.nudge(0, -1),
  p: () => hands.pick(), d: () => hands.door(),
});

// ---- the rest ---------------------------------------------------------------------------------

function veil(text) {
  $("veil").textContent = text;
  $("veil").hidden = false;
}

let fading = null;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { $("toast").hidden = true; }, 6000);
}

function save({ moment, cycle }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([moment], { type: "application/json" }));
  link.download = `moment-${cycle}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

new ResizeObserver(() => {
  const { clientWidth: width, clientHeight: height } = $("stage");
  view.resize(width, height);
  for (const { canvas } of Object.values(layers)) {
    canvas.width = Math.round(width * view.ratio);
    canvas.height = Math.round(height * view.ratio);
  }
  if (got.house) view.followed ? follow(true) : whole();
  drawn = {};
}).observe($("stage"));
requestAnimationFrame(paint);
