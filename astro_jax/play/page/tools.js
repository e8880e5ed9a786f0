// Pointer, touch and keys become commands.
import { $ } from "./panel.js";

const NEAR = 22;  // pixels around a thing that still grab it
const AGAIN = 250;  // while something is held it is said again so often, ms

export class Tools {
  // `see()` gives {house, now, goal, view, back}.
  constructor(canvas, send, see) {
    Object.assign(this, { canvas, send, see, tool: "move", grip: null, wish: null, pointers: new Map(), over: null });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event, true));
    canvas.addEventListener("pointercancel", (event) => this.up(event, false));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    for (const tool of ["move", "put", "erase"]) $(`tool-${tool}`).onclick = () => this.choose(tool);
    setInterval(() => this.repeat(), AGAIN);
  }

  choose(tool) {
    this.tool = tool;
    for (const name of ["move", "put", "erase"]) $(`tool-${name}`).setAttribute("aria-checked", name === tool);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // What lies under a pixel: a handle, a person, the goal, a door, or the floor.
  find(px, py) {
    const { house, now, goal, view } = this.see(), [x, y] = view.metres(px, py), reach = NEAR / view.scale;
    const far = (ax, ay) => Math.hypot(ax - x, ay - y);
    for (const [k, person] of now.people.entries()) {
      if (!house.present[k]) continue;
      const yaw = Math.hypot(person.vx, person.vy) > 0.05 ? Math.atan2(person.vy, person.vx) : -Math.PI / 2;
      const tip = house.radius[k] + 0.24;
      if (far(person.x, person.y) > house.radius[k] && far(person.x + tip * Math.cos(yaw), person.y + tip * Math.sin(yaw)) < Math.max(0.16, reach / 2)) return { kind: "walk", who: k };
      if (far(person.x, person.y) < Math.max(house.radius[k], reach)) return { kind: "person", who: k };
    }
    if (goal && far(goal[0], goal[1]) < Math.max(0.25, reach)) return { kind: "goal" };
    for (const [k, { jambs: [[ax, ay], [bx, by]], closed }] of house.doors.entries()) {
      const dx = bx - ax, dy = by - ay, along = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0), 1);
      if (far(ax + along * dx, ay + along * dy) < Math.max(0.18, reach / 2)) return { kind: "door", which: k, closed };
    }
    return { kind: "floor" };
  }

  down(event) {
    const { house, back } = this.see();
    this.pointers.set(event.pointerId, this.place(event));
    this.canvas.setPointerCapture(event.pointerId);
    if (!house) return;
    if (this.pointers.size > 1 || event.button > 0 || back) {  // two fingers or the other buttons move the view
      this.finish();
      this.grip = { kind: "view" };
      return;
    }
    const [px, py] = this.place(event), [x, y] = this.see().view.metres(px, py);
    if (this.tool !== "move") {
      this.grip = { kind: this.tool };
      this.paint(x, y);
      return;
    }
    this.grip = { ...this.find(px, py), from: [x, y], at: [x, y], px, py, moved: false };
    if (this.grip.kind === "floor") this.wish = [x, y, null];
  }

  move(event) {
    const before = this.pointers.get(event.pointerId), [px, py] = this.place(event), { view, house } = this.see();
    if (!before) {
      if (!house) return;
      this.over = view.metres(px, py);
      const { kind } = this.find(px, py);
      this.canvas.dataset.over = kind === "door" ? "door" : kind === "floor" ? "" : "hand";
      return;
    }
    this.pointers.set(event.pointerId, [px, py]);
    if (!this.grip) return;
    const [x, y] = view.metres(px, py);
    if (this.grip.kind === "view") return this.pan(event.pointerId, before, [px, py]);
    if (this.grip.kind === "put" || this.grip.kind === "erase") return this.paint(x, y);
    this.grip.at = [x, y];
    this.grip.moved ||= Math.hypot(px - this.grip.px, py - this.grip.py) > 6;
    if (this.grip.kind === "floor" && this.grip.moved) this.wish[2] = Math.atan2(y - this.wish[1], x - this.wish[0]);
    if (this.grip.kind === "goal") this.wish = [x, y, this.see().goal?.[2] ?? 0];
    if (this.grip.kind === "walk") this.wish = [x, y, null];
    this.hold();
  }

  up(event, meant) {
    this.pointers.delete(event.pointerId);
    const grip = this.grip;
    if (!grip || this.pointers.size) return;
    if (grip.at && meant) {
      const [x, y] = grip.at;
      if (grip.kind === "floor") this.goal(this.wish);
      else if (grip.kind === "goal" && grip.moved) this.goal([x, y, this.wish[2]]);
      else if (grip.kind === "person" && grip.moved) this.send("person", { who: grip.who, x, y });
      else if (grip.kind === "walk" && grip.moved) this.send("walk", { who: grip.who, x, y });
      else if (grip.kind === "door" && !grip.moved) this.send("door", { which: grip.which, closed: !grip.closed });
    }
    this.finish();
  }

  finish() {
    this.grip = this.wish = null;
  }

  goal([x, y, yaw]) {
    this.send("goal", yaw === null ? { x, y } : { x, y, yaw, faces: true });
  }

  // While a goal or a person is in somebody's hand, the robot knows that it is.
  hold() {
    const { grip } = this, now = performance.now();
    if (!grip?.moved || now - (grip.said ?? 0) < 90) return;
    const [x, y] = grip.at;
    if (grip.kind === "person") this.send("person", { who: grip.who, x, y, held: true });
    else if (grip.kind === "goal") this.send("goal", { x, y, yaw: this.wish[2], faces: true, held: true });
    else return;
    grip.said = now;
  }
  repeat() { if (this.grip && performance.now() - (this.grip.said ?? 0) >= AGAIN) this.hold(); }

  paint(x, y) {
    const { house } = this.see(), last = this.grip.last;
    if (last && Math.hypot(x - last[0], y - last[1]) < house.brush) return;
    this.grip.last = [x, y];
    this.send("paint", { x, y, erase: this.tool === "erase" });
  }

  pan(id, [ax, ay], [bx, by]) {
    const { view } = this.see(), others = [...this.pointers].filter(([other]) => other !== id);
    view.followed = false;
    if (others.length) {
      const [, [ox, oy]] = others[0];
      const factor = Math.hypot(bx - ox, by - oy) / Math.max(Math.hypot(ax - ox, ay - oy), 1);
      view.zoom(factor, (bx + ox) / 2, (by + oy) / 2);
      view.drag((bx - ax) / 2, (by - ay) / 2);
    } else view.drag(bx - ax, by - ay);
  }

  wheel(event) {
    event.preventDefault();
    this.see().view.zoom(Math.exp(-event.deltaY / 500), ...this.place(event));
  }
}
