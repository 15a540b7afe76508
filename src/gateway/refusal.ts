import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GatewayError } from '../errors.ts';
import { problemOf, PROBLEM_TYPE } from './problem.ts';

/** Time that a refused caller has to take its answer. */
const REFUSAL_MS = 5000;

/** Answers with a problem over the bare socket, where there is no HTTP response object: before an upgrade, after a request that is none. */
export function refuse(
  socket: Duplex,
  failure: GatewayError,
  requestId: string,
  describe: (failure: GatewayError, requestId: string) => { status: number } = problemOf,
): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = describe(failure, requestId);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'cache-control: no-store',
    'connection: close',
  ];
  const timer = setTimeout(() => socket.destroy(), REFUSAL_MS);
  socket.once('close', () => clearTimeout(timer));
  // Node's HTTP sockets stay half open, so somebody must end the other half.
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
