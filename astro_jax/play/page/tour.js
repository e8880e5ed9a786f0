// What to try first: three hints, each gone once it has been done.
import { $ } from "./panel.js";

const MEANS = { goal: "goal", person: "person", walk: "person", set: "set" };

// What comes out is to be told of every command that is sent.
export function makeTour() {
  const left = new Map([...$("hint").querySelectorAll("[data-until]")].map((step) => [step.dataset.until, step]));
  $("hint-close").onclick = () => { left.clear(); $("hint").hidden = true; };
  return (what, { held = false } = {}) => {
    const step = left.get(MEANS[what]);
    if (!step || held) return;
    step.hidden = true;
    left.delete(MEANS[what]);
    const [next] = left.values();
    if (next) next.hidden = false;
    else $("hint").hidden = true;
  };
}
