// Keys become commands.

const NUDGE = 0.25;  // m

// `acts` has what each does once `ready()`; nothing while a slider or a button has the focus and wants it.
export function listenToKeys(ready, acts) {
  // after a click, unlike after a tab, keys are meant for the map
  document.addEventListener("click", (event) => { if (event.detail) event.target.closest("button, input")?.blur(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = document.activeElement, name = (event.shiftKey && event.key.startsWith("Arrow") ? "Shift" : "") + event.key;
    const wanted = here?.tagName === "INPUT" ? /Arrow|Home|End|Page/ : here?.tagName === "BUTTON" ? /^( |Enter)$/ : null;
    const act = acts[name.length === 1 ? name.toLowerCase() : name];
    if (!act || !ready() || wanted?.test(event.key)) return;
    event.preventDefault();
    act();
  });
}

// People and doors without a pointer. `see()` gives {house, now, goal}; who is picked stays so.
export class Hands {
  constructor(send, see) {
    Object.assign(this, { send, see, who: null, place: null });
  }

  // The goal, then one person after the other.
  pick() {
    const { house } = this.see(), people = house.present.flatMap((there, k) => (there ? [k] : []));
    this.who = people.find((k) => this.who === null || k > this.who) ?? null;
    this.place = null;
  }

  nudge(dx, dy) {
    const { now, goal } = this.see();
    if (this.who === null) {
      const [x, y, yaw] = goal ?? now.pose;
      this.send("goal", { x: x + NUDGE * dx, y: y + NUDGE * dy, yaw: Math.atan2(Math.sin(yaw), Math.cos(yaw)), faces: true });
      return;
    }
    // from where they were last sent: they may still be on their way
    const [x, y] = this.place ?? [now.people[this.who].x, now.people[this.who].y];
    this.place = [x + NUDGE * dx, y + NUDGE * dy];
    this.send("person", { who: this.who, x: this.place[0], y: this.place[1] });
  }

  door() {
    const { house, now: { pose } } = this.see();
    const far = ({ jambs: [[ax, ay], [bx, by]] }) => Math.hypot((ax + bx) / 2 - pose[0], (ay + by) / 2 - pose[1]);
    const nearest = house.doors.reduce((best, door, k) => (best === null || far(door) < far(house.doors[best]) ? k : best), null);
    if (nearest !== null) this.send("door", { which: nearest, closed: !house.doors[nearest].closed });
  }
}
