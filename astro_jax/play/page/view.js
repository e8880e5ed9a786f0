// Where metres lie on the screen: x to the right, y up, one scale.

export class View {
  constructor() {
    this.scale = 50; this.x = 0; this.y = 0;  // pixels per metre; the middle, m
    this.width = 1; this.height = 1; this.ratio = 1;
    this.followed = false;
    this.version = 0;
  }
  resize(width, height) {
    this.width = width; this.height = height;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.version++;
  }
  // All of a rectangle in sight.
  fit([left, low, right, high], margin = 14) {
    this.scale = Math.min((this.width - 2 * margin) / (right - left), (this.height - 2 * margin) / (high - low));
    this.x = (left + right) / 2; this.y = (low + high) / 2;
    this.version++;
  }
  centre(x, y) { this.x = x; this.y = y; this.version++; }
  zoom(factor, px, py) {
    const [x, y] = this.metres(px, py);
    this.scale = Math.min(Math.max(this.scale * factor, 8), 600);
    const [ax, ay] = this.metres(px, py);
    this.x += x - ax; this.y += y - ay;
    this.version++;
  }
  drag(dx, dy) { this.x -= dx / this.scale; this.y += dy / this.scale; this.version++; }
  metres(px, py) {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }
  pixels(x, y, { left, top }) {
    return [left + this.width / 2 + (x - this.x) * this.scale, top + this.height / 2 - (y - this.y) * this.scale];
  }
  // From now on the context draws in metres.
  apply(context) {
    const s = this.scale * this.ratio;
    context.setTransform(s, 0, 0, -s, this.ratio * this.width / 2 - s * this.x, this.ratio * this.height / 2 + s * this.y);
  }
  // Width of a line of so many pixels, m.
  px(pixels) { return pixels / this.scale; }
}
