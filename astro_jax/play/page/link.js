// One websocket: bytes in, decoded messages out; commands as JSON.

const VERSION = 1;
export const HOUSE = 1, ROUTE = 2, FRAME = 3, NEWS = 4;
const TYPES = { f4: Float32Array, i2: Int16Array, u1: Uint8Array };

// See play/layout.py for the layout. Arrays are views of the message, nothing is copied.
export function unpack(buffer) {
  const first = new DataView(buffer);
  if (first.getUint8(0) !== VERSION) throw new Error("this page is of another version: reload it");
  const size = first.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  for (const [name, [type, shape, offset]] of Object.entries(head.arrays)) {
    const count = shape.reduce((a, b) => a * b, 1);
    head[name] = new TYPES[type](buffer, 8 + size + offset, count);
    head[name].shape = shape;
  }
  return [first.getUint8(1), head];
}

export function connect({ on, answer, lost }) {
  const address = new URL(`socket${location.search}`, location.href);
  address.protocol = "ws:";
  let socket = null, wait = 250;
  function open() {
    socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { wait = 250; };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") answer(JSON.parse(data));
      else on(...unpack(data));
    };
    socket.onclose = ({ reason }) => {
      lost(reason);
      setTimeout(open, wait);
      wait = Math.min(2 * wait, 4000);
    };
  }
  open();
  return (what, fields = {}) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: what, ...fields }));
  };
}
