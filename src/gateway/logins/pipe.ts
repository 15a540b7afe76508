import type { WebSocket } from 'ws';
import { GatewayError } from '../../errors.ts';
import { SIGNALING_QUEUE_MAX_BYTES } from '../../protocol/limits.ts';
import { textOf } from '../../websocket/frames.ts';

/** Bytes that may wait for the agent before the client is read no further: backpressure instead of a queue. */
const TUNNEL_QUEUE_BYTES = 256 * 1024;

const GATEWAY_ERROR_START = Buffer.from('{"event":"gateway/error"');

export interface Pipe {
  /** Whether the agent has told the client why it ends; then it is not told twice. */
  readonly toldByAgent: boolean;
  /** What passed so far, where that is counted. */
  readonly bytes?: { toClient: number; toDesktop: number };
  /** No frame passes any more. */
  end(): void;
}

/** Joins a client to its tunnel, both open and paused, and has them flow. */
export type Piping = (client: WebSocket, tunnel: WebSocket, onFailure: (failure: GatewayError) => void) => Pipe;

/** What doesn't pass, for a client that knows less than neko's whole protocol; each is asked once about every frame, in order. */
export interface FrameFilter {
  passesToDesktop(frame: string): boolean;
  passesToClient(frame: string): boolean;
  end(): void;
}

/** As `pipeThrough`, with nothing left out. */
export const pipe: Piping = (client, tunnel, onFailure) => pipeThrough(client, tunnel, onFailure);

/**
 * Passes text frames both ways, verbatim. A slow agent slows its client; a slow client is given up with CLIENT_SLOW, since
 * the agent's other side is neko, which waits for nobody. `onFailure` is called at most once.
 */
export function pipeThrough(
  client: WebSocket,
  tunnel: WebSocket,
  onFailure: (failure: GatewayError) => void,
  filter?: FrameFilter,
): Pipe {
  let ended = false;
  let toldByAgent = false;
  const fail = (failure: GatewayError): void => {
    if (ended) return;
    ended = true;
    onFailure(failure);
  };

  client.on('message', (bytes, isBinary) => {
    if (ended) return;
    if (isBinary) {
      fail(new GatewayError('BAD_FRAME', 'signaling frames are text; this one was binary'));
      return;
    }
    if (filter?.passesToDesktop(textOf(bytes)) === false) return;
    tunnel.send(bytes, { binary: false }, () => {
      if (!ended && client.isPaused && tunnel.bufferedAmount < TUNNEL_QUEUE_BYTES) client.resume();
    });
    if (tunnel.bufferedAmount >= TUNNEL_QUEUE_BYTES) client.pause();
  });

  tunnel.on('message', (bytes, isBinary) => {
    if (ended) return;
    if (isBinary) {
      fail(new GatewayError('BAD_FRAME', 'the agent sent a binary frame on a signaling tunnel'));
      return;
    }
    if (filter?.passesToClient(textOf(bytes)) === false) return;
    toldByAgent = Buffer.isBuffer(bytes) && bytes.subarray(0, GATEWAY_ERROR_START.length).equals(GATEWAY_ERROR_START);
    client.send(bytes, { binary: false });
    if (client.bufferedAmount > SIGNALING_QUEUE_MAX_BYTES)
      fail(
        new GatewayError('CLIENT_SLOW', `${SIGNALING_QUEUE_MAX_BYTES} bytes wait for a client that does not read them`),
      );
  });

  client.resume();
  tunnel.resume();
  return {
    get toldByAgent() {
      return toldByAgent;
    },
    end: () => {
      ended = true;
      filter?.end();
    },
  };
}
