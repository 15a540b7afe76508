// An agent whose sessions are nothing but a VNC server, as a process of its own: what it takes is its tunnels' alone.
import { pino } from 'pino';
import { Agent } from '../../src/agent/agent.ts';
import type { RunningSession, StartOptions } from '../../src/agent/runtimes/runtime.ts';
import type { SessionSpec } from '../../src/protocol/session.ts';
import { HandRuntime } from '../../test/harness/hand-runtime.ts';

const [gatewayUrl = '', agentKey = '', port = '', sessions = ''] = process.argv.slice(2);

class VncRuntime extends HandRuntime {
  override start(sessionId: string, spec: SessionSpec, options: StartOptions): Promise<RunningSession> {
    const started = super.start(sessionId, spec, options);
    this.ready(sessionId).vnc = { at: { host: '127.0.0.1', port: Number(port) } };
    return started;
  }
}

const agent = await Agent.start(new VncRuntime(), {
  agentId: 'bench',
  agentKey,
  gatewayUrl,
  version: '0',
  maxSessions: Number(sessions),
  streamer: 'embedded',
  reach: { addresses: [] },
  log: pino({ level: 'silent' }),
});
await agent.connected;
process.stdout.write('connected\n');
process.once('SIGTERM', () => void agent.stop());
