import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { WebSocket } from 'ws';
import type { z } from 'zod';
import { GatewayError, messageOf, toGatewayError } from '../../errors.ts';
import {
  PreflightFindings,
  PreflightListening,
  preflightText,
  type PreflightPath,
  type PreflightSent,
} from '../../protocol/preflight.ts';
import { textOf } from '../../websocket/frames.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';

/** For each answer of the agent, which tries for some seconds. */
const ANSWER_MS = 20_000;
/** A datagram is sent so many times, since one may be lost anywhere. */
const DATAGRAMS = 3;

/**
 * Tries the ways to an agent's host, together with the agent; resolves with a verdict for each.
 * @throws GatewayError AGENT_OFFLINE | TUNNEL_TIMEOUT | what the agent says
 */
export async function runPreflight(
  tunnels: Tunnels,
  connection: AgentConnection,
  signal: AbortSignal,
): Promise<PreflightPath[]> {
  const tunnel = await tunnels.open(connection, { kind: 'preflight' }, signal);
  try {
    const listening = await receive(tunnel, PreflightListening, signal);
    const sent = await sendDatagrams(listening);
    tunnel.send(JSON.stringify(sent));
    return (await receive(tunnel, PreflightFindings, signal)).paths;
  } finally {
    tunnel.terminate();
  }
}

async function receive<S extends z.ZodType>(tunnel: WebSocket, schema: S, signal: AbortSignal): Promise<z.output<S>> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new GatewayError('AGENT_OFFLINE', 'the agent was lost while it tried'));
  tunnel.once('close', onClose);
  try {
    const message = once(tunnel, 'message', {
      signal: AbortSignal.any([signal, gone.signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    tunnel.resume();
    const [bytes] = await message;
    tunnel.pause();
    return schema.parse(JSON.parse(textOf(bytes)));
  } catch (thrown) {
    if (gone.signal.aborted) throw toGatewayError(gone.signal.reason);
    throw new GatewayError('COMMAND_TIMEOUT', `the agent told nothing of use within ${ANSWER_MS} ms`, {
      cause: thrown,
    });
  } finally {
    tunnel.off('close', onClose);
  }
}

async function sendDatagrams({ addresses, port }: PreflightListening): Promise<PreflightSent> {
  const nonce = randomBytes(16).toString('hex');
  const unsent: Record<string, string> = {};
  await Promise.all(
    addresses.map(async (address) => {
      const why = await send(address, port, preflightText(nonce, address));
      if (why !== undefined) unsent[address] = why.slice(0, 256);
    }),
  );
  return { nonce, unsent };
}

/** @returns why it could not be sent */
async function send(address: string, port: number, text: string): Promise<string | undefined> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    for (let count = 0; count < DATAGRAMS; count += 1) {
      await new Promise<void>((resolve, reject) => {
        socket.send(text, port, address, (error) => (error ? reject(error) : resolve()));
      });
    }
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  } finally {
    socket.close();
  }
}
