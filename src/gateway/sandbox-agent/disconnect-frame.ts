import type { WebSocket } from 'ws';
import type { GatewayError } from '../../errors.ts';

/**
 * The one frame with why a stream ends. sandbox-agent's server says `{"type":"error","message"}`, but its client (0.4.2) looks at events alone and
 * tells nobody; neko's `system/disconnect` in the same frame it does tell.
 */
export function tellSandboxAgent(client: WebSocket, { message }: GatewayError): void {
  if (client.readyState !== client.OPEN) return;
  client.send(JSON.stringify({ type: 'error', message, event: 'system/disconnect', payload: { message } }));
}
