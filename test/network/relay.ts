// The bad network: a program that stands between two network namespaces and hands on UDP packets and TCP connections, port by port.
// In user space, since kernels come without netem (this one's CONFIG_NET_SCH_NETEM is not set), and so that a run can be repeated.
// Its one argument is a RelayOrder; each line of its input is a NetworkState. It writes "ready" once it listens.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { seededRandom } from '../harness/random.ts';
import { CLEAN, type NetworkState } from './impairment.ts';

export interface RelayOrder {
  /** Where the viewer's side sends to. */
  listen: string;
  /** Where that goes on to, on the same port. */
  target: string;
  udp: { min: number; max: number };
  tcp: number;
}

/** What a lost segment costs a TCP connection: its retransmission, when duplicate acknowledgements don't tell of it earlier (RFC 6298). */
const RETRANSMISSION_MS = 200;

/** Acts that happen each after its own delay, but never before one that was added earlier. (Timers alone keep no order between delays.) */
class Line {
  readonly #waiting: { dueAt: number; act: () => void }[] = [];
  #lastDueAt = 0;

  add(delayMs: number, act: () => void): void {
    this.#lastDueAt = Math.max(this.#lastDueAt, performance.now() + delayMs);
    this.#waiting.push({ dueAt: this.#lastDueAt, act });
    if (this.#waiting.length === 1) this.#wait();
  }

  #wait(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    setTimeout(
      () => {
        const now = performance.now();
        const due = this.#waiting.findIndex(({ dueAt }) => dueAt > now);
        const ready = this.#waiting.splice(0, due < 0 ? this.#waiting.length : due);
        this.#wait();
        for (const { act } of ready) act();
      },
      Math.max(0, Math.ceil(next.dueAt - performance.now())),
    );
  }
}

const random = seededRandom(1);
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own harness writes it
const order = JSON.parse(process.argv[2] ?? '') as RelayOrder;
let network: NetworkState = CLEAN;
for (let port = order.udp.min; port <= order.udp.max; port++) await relayUdp(port);
await relayTcp(order.tcp);
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own harness writes it
  network = JSON.parse(line) as NetworkState;
}
process.exit(0);

/** Each peer that sends to `port` gets a socket of its own towards the target, so that answers find back. */
async function relayUdp(port: number): Promise<void> {
  const front = createSocket('udp4');
  const forwards = new Map<string, (packet: Buffer) => void>();
  front.on('message', (packet, peer) => {
    const key = `${peer.address}:${peer.port}`;
    let forward = forwards.get(key);
    if (forward === undefined) {
      const back = createSocket('udp4');
      back.on('error', ignore);
      back.on(
        'message',
        lossyQueue((bytes) => front.send(bytes, peer.port, peer.address, ignore)),
      );
      forward = lossyQueue((bytes) => back.send(bytes, port, order.target, ignore));
      forwards.set(key, forward);
    }
    forward(packet);
  });
  front.on('error', ignore);
  front.bind(port, order.listen);
  await once(front, 'listening');
}

/** One direction of packets, as the network treats them. */
function lossyQueue(deliver: (packet: Buffer) => void): (packet: Buffer) => void {
  const line = new Line();
  return (packet) => {
    const state = network;
    if (state === 'cut' || random() < state.loss) return;
    if (random() < state.reorder) {
      setImmediate(deliver, packet);
      return;
    }
    line.add(state.delayMs + random() * state.jitterMs, () => {
      // A cut also loses what is under way.
      if (network !== 'cut') deliver(packet);
    });
  };
}

async function relayTcp(port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (front) => {
    const back = connect({ port, host: order.target, noDelay: true });
    pass(front, back);
    pass(back, front);
  });
  server.listen(port, order.listen);
  await once(server, 'listening');
}

/** One direction of a connection: nothing is lost or overtaken, but what was lost on the way comes later, and all behind it too. */
function pass(from: Socket, to: Socket): void {
  const line = new Line();
  const later = (act: () => void): void => {
    const { loss, delayMs, jitterMs } = network === 'cut' ? CLEAN : network;
    const retransmissionMs = random() < loss ? RETRANSMISSION_MS + 2 * delayMs : 0;
    line.add(delayMs + random() * jitterMs + retransmissionMs, act);
  };
  from.on('data', (bytes: Buffer) => later(() => to.write(bytes)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => later(() => to.destroy()));
}

/** Nobody listens there yet or any more, or the route is cut: the packet is lost. */
function ignore(): void {}
