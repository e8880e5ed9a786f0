// What is seen from above and changes: a cycle, what moves. What hardly does: ground.js.

export function clear(context) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

export function alpha(hex, share) {
  return hex + Math.round(255 * share).toString(16).padStart(2, "0");
}

export function rgb(hex) { return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)); }

function placed(context, [x, y, yaw], paint) {
  context.save();
  context.translate(x, y);
  context.rotate(yaw);
  paint();
  context.restore();
}

// An image of cells, row 0 the smallest y; `paint(k)` gives [r, g, b, a] of cell k.
export function cellImage(rows, columns, paint) {
  const canvas = new OffscreenCanvas(columns, rows), context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let k = 0; k < rows * columns; k++) image.data.set(paint(k), 4 * k);
  context.putImageData(image, 0, 0);
  return canvas;
}

// ---- one cycle ------------------------------------------------------------------------------

export function drawCycle(context, view, house, route, frame, trail) {
  clear(context);
  view.apply(context);
  drawCells(context, view, house, frame);
  if (route) {
    const half = house.windows[0] / 2, [x0, y0] = frame.pose;
    const near = (x, y) => Math.abs(x - x0) < half && Math.abs(y - y0) < half;
    drawArrows(context, view, route, near, alpha(house.colours.trail, 0.55));
  }
  drawTrail(context, view, house, trail);
  drawFan(context, view, house, frame);
  drawClouds(context, view, house, frame);
  drawPlan(context, view, house, frame);
}

function drawCells(context, view, house, frame) {
  const [rows, columns] = frame.cells.shape;
  const dark = [...rgb(house.colours.sensed), 225], dim = [123, 135, 148, 46], none = [0, 0, 0, 0];
  const kinds = [none, dim, dark];
  frame.image ??= cellImage(rows, columns, (k) => kinds[frame.cells[k]]);
  const [x, y] = frame.cells_origin, r = house.cell;
  placed(context, frame.cells_pose, () => {
    context.imageSmoothingEnabled = false;
    context.drawImage(frame.image, x - r / 2, y - r / 2, columns * r, rows * r);
    context.strokeStyle = house.colours.faint;
    context.lineWidth = view.px(1.6);
    context.setLineDash([view.px(9), view.px(6)]);
    context.strokeRect(x - r / 2, y - r / 2, columns * r, rows * r);
    context.setLineDash([]);
  });
}

const ARROW = [[-0.5, 0, 0.5, 0], [0.2, 0.2, 0.5, 0], [0.2, -0.2, 0.5, 0]];

export function drawArrows(context, view, route, wanted, colour) {
  const size = 0.42 * route.spacing;
  context.beginPath();
  for (let k = 0; k < route.arrows.length; k += 3) {
    const [x, y, yaw] = route.arrows.subarray(k, k + 3);
    if (!wanted(x, y)) continue;
    const c = size * Math.cos(yaw), s = size * Math.sin(yaw);
    for (const [ax, ay, bx, by] of ARROW) {
      context.moveTo(x + c * ax - s * ay, y + s * ax + c * ay);
      context.lineTo(x + c * bx - s * by, y + s * bx + c * by);
    }
  }
  context.lineCap = "round";
  context.lineWidth = view.px(1.3);
  context.strokeStyle = colour;
  context.stroke();
}

// Candidates come worst first; those of one shade are one path.
function drawFan(context, view, house, frame) {
  const [count, points] = frame.fan.shape, shades = house.costs.length, [x0, y0] = frame.pose;
  context.lineJoin = "round";
  context.lineWidth = view.px(1.1);
  for (let shade = shades - 1; shade >= 0; shade--) {
    const first = Math.round(count * (1 - (shade + 1) / shades)), last = Math.round(count * (1 - shade / shades));
    context.beginPath();
    for (let k = first; k < last; k++) {
      let i = 2 * points * k;
      context.moveTo(x0 + frame.fan[i] / 1000, y0 + frame.fan[i + 1] / 1000);
      for (let t = 1; t < points; t++) {
        i += 2;
        context.lineTo(x0 + frame.fan[i] / 1000, y0 + frame.fan[i + 1] / 1000);
      }
    }
    context.strokeStyle = house.costs[shade];
    context.stroke();
  }
}

// The mixture: each component of each person's forecast, at 1, 2 and 3 s; fainter the less likely.
function drawClouds(context, view, house, frame) {
  const [times, bodies, parts] = frame.clouds.shape, colour = house.colours.person;
  for (let t = times - 1; t >= 0; t--) {
    for (let m = 0; m < bodies; m++) {
      if (!frame.forecast[m]) continue;
      for (let c = 0; c < parts; c++) {
        const k = 6 * ((t * bodies + m) * parts + c);
        const [x, y, along, across, turn, weight] = frame.clouds.subarray(k, k + 6);
        if (!(along < 20)) continue;
        const fade = 1 - 0.25 * t;
        context.beginPath();
        context.ellipse(x, y, Math.max(along, 0.01), Math.max(across, 0.01), turn, 0, 2 * Math.PI);
        context.fillStyle = alpha(colour, 0.2 * Math.sqrt(weight) * fade);
        context.fill();
        context.strokeStyle = alpha(colour, Math.min(0.25 + 0.75 * weight, 1) * fade);
        context.lineWidth = view.px(weight > 0.5 ? 1.4 : 0.9);
        context.setLineDash(weight > 0.5 ? [] : [view.px(4), view.px(4)]);
        context.stroke();
      }
    }
  }
  context.setLineDash([]);
}

function drawPlan(context, view, house, frame) {
  const count = frame.plan.shape[0], colour = house.colours.plan, every = Math.round(0.5 / house.dt);
  for (let t = every; t < count; t += every) {
    placed(context, frame.plan.subarray(3 * t, 3 * t + 3), () => {
      outline(context, house.robot.outline);
      context.strokeStyle = alpha(colour, 0.95 - 0.5 * t / count);
      context.lineWidth = view.px(1.2);
      context.stroke();
    });
  }
  context.beginPath();
  context.moveTo(frame.pose[0], frame.pose[1]);
  for (let t = 0; t < count; t++) context.lineTo(frame.plan[3 * t], frame.plan[3 * t + 1]);
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#ffffff";
  context.lineWidth = view.px(6.5);
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = view.px(4);
  context.stroke();
}

export function outline(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
}

// ---- what moves -----------------------------------------------------------------------------

export function drawMoving(context, view, house, frame, now, goal, wish) {
  clear(context);
  view.apply(context);
  if (goal) drawGoal(context, view, house.colours.goal, goal, 1);
  if (wish) drawGoal(context, view, house.colours.plan, wish, 0.6);
  const half = house.windows[1] / 2;
  placed(context, now.pose, () => {
    context.strokeStyle = house.colours.faint;
    context.lineWidth = view.px(1.3);
    context.setLineDash([view.px(2), view.px(3)]);
    context.strokeRect(-half, -half, 2 * half, 2 * half);
    context.setLineDash([]);
  });
  now.people.forEach((person, k) => { if (house.present[k]) drawPerson(context, view, house, person, frame.tracked[k], k); });
  drawRobot(context, view, house, now);
}

function drawTrail(context, view, house, trail) {
  context.beginPath();
  for (const [x, y] of trail) context.lineTo(x, y);
  context.strokeStyle = house.colours.trail;
  context.lineWidth = view.px(2);
  context.lineCap = "butt";
  context.setLineDash([view.px(2), view.px(4)]);
  context.stroke();
  context.setLineDash([]);
}

export function drawGoal(context, view, colour, [x, y, yaw], opacity) {
  context.globalAlpha = opacity;
  context.strokeStyle = colour;
  for (const [width, shade] of [[6, "#ffffff"], [2.6, colour]]) {
    context.lineWidth = view.px(width);
    context.strokeStyle = shade;
    context.lineCap = "round";
    for (const radius of [0.09, 0.2]) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
    placed(context, [x, y, yaw ?? 0], () => {
      context.beginPath();
      context.moveTo(0.2, 0); context.lineTo(0.46, 0);
      context.moveTo(0.36, 0.08); context.lineTo(0.46, 0); context.lineTo(0.36, -0.08);
      context.stroke();
    });
  }
  context.globalAlpha = 1;
}

function drawPerson(context, view, house, { x, y, vx, vy, held }, tracked, k) {
  const radius = house.radius[k], c = house.colours;
  // the handle that gives a direction
  const speed = Math.hypot(vx, vy), yaw = speed > 0.05 ? Math.atan2(vy, vx) : -Math.PI / 2;
  placed(context, [x, y, yaw], () => {
    context.strokeStyle = tracked ? c.person : c.unseen;
    context.lineWidth = view.px(2.4);
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(radius, 0); context.lineTo(radius + 0.22, 0);
    context.moveTo(radius + 0.13, 0.08); context.lineTo(radius + 0.22, 0); context.lineTo(radius + 0.13, -0.08);
    context.stroke();
  });
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = tracked ? c.person : "#ffffffd8";
  context.fill();
  context.strokeStyle = tracked ? "#ffffff" : c.unseen;
  context.lineWidth = view.px(held ? 4 : 2);
  context.stroke();
}

function drawRobot(context, view, house, now) {
  const { outline: shape, length, width, screen: [mx, my, reach, wide] } = house.robot, c = house.colours;
  placed(context, now.pose, () => {
    placed(context, [mx, my, now.pan], () => {
      context.beginPath();
      context.moveTo(reach, -wide / 2); context.lineTo(reach, wide / 2);
      context.arc(0, 0, reach + 0.9, 0.4, -0.4, true);
      context.closePath();
      context.fillStyle = alpha(c.screen, 0.3);
      context.fill();
    });
    outline(context, shape);
    context.fillStyle = c.robot;
    context.fill();
    context.strokeStyle = "#ffffff";
    context.lineWidth = view.px(1.5);
    context.stroke();
    context.beginPath();
    context.moveTo(0.4 * length, 0);
    context.lineTo(0.02 * length, 0.34 * width);
    context.lineTo(0.02 * length, -0.34 * width);
    context.closePath();
    context.fillStyle = "#ffffff";
    context.fill();
    placed(context, [mx, my, now.pan], () => {
      context.lineCap = "round";
      for (const [colour, pixels] of [["#ffffff", 6.5], [c.screen, 4]]) {
        context.beginPath();
        context.moveTo(reach, -wide / 2); context.lineTo(reach, wide / 2);
        context.strokeStyle = colour;
        context.lineWidth = view.px(pixels);
        context.stroke();
      }
    });
  });
}
