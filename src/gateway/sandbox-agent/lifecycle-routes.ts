import { z } from 'zod';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Hub } from '../agents/hub.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { actorOf } from '../auth.ts';
import type { Programs } from '../computer/programs.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { specOf } from '../sessions/states.ts';
import type { SessionRow } from '../store/tables.ts';
import type { Tools } from '../tools/tools.ts';
import { callingOf, type Calling, type Desks, type Names } from './desk.ts';
import { sandboxProblemOf } from './problem.ts';
import { DPI, Resolution, Status, statusOf } from './status.ts';
import { listWindows } from './windows.ts';

/** What streamers send, whatever the session. */
const VIDEO_CODEC = 'vp8';
const AUDIO_CODEC = 'opus';
const OPTION_MAX_LENGTH = 4096;

const number = z.int().nullish();
const text = z.string().max(OPTION_MAX_LENGTH).nullish();
const Start = z.strictObject({
  width: number,
  height: number,
  dpi: number,
  displayNum: number,
  stateDir: text,
  streamVideoCodec: text,
  streamAudioCodec: text,
  streamFrameRate: number,
  webrtcPortRange: text,
  recordingFps: number,
});
type Start = z.infer<typeof Start>;

const NAMES: Names = { behind: 'desktop_runtime_failed' };
const Display = z.object({ display: z.string(), resolution: Resolution });

export interface LifecycleDeps {
  tools: Tools;
  desks: Desks;
  programs: Programs;
  sessions: Sessions;
  hub: Hub;
  audit: Audit;
}

/** The desktop as a whole. It is a session, which was started by who made it. */
export function addLifecycleRoutes(app: App, { desks, tools, programs, sessions, hub, audit }: LifecycleDeps): void {
  const config = { allow: 'member' } as const;
  const schema = { hide: true, response: { 200: Status } };

  /** Active is one whose streamer answers, and the size is the one that it tells. */
  const describe = async (calling: Calling): Promise<Status> => {
    const { access, caller } = calling;
    const status = await desks.status(calling);
    if (status.state !== 'active') return status;
    try {
      const [{ driver }, atDesk] = await Promise.all([programs.meet(access, caller), lookAround(calling)]);
      return { ...status, ...atDesk, resolution: { ...driver.screen, dpi: DPI } };
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      const isStarting = failure.code === 'SESSION_NOT_RUNNING';
      if (failure.status < 500 && !isStarting) throw failure;
      const { code, detail: message } = sandboxProblemOf(failure, caller.requestId);
      return { ...status, state: isStarting ? 'starting' : 'failed', lastError: { code, message } };
    }
  };

  /** Of a desktop that has no tools, nothing. */
  const lookAround = async ({ access, signal }: Calling): Promise<Pick<Status, 'display' | 'windows'>> => {
    try {
      const [{ display }, windows] = await Promise.all([
        tools.call(access, 'describeDisplay', {}, { signal }),
        listWindows(tools, { access, signal }),
      ]);
      return { display, windows };
    } catch (thrown) {
      if (toGatewayError(thrown).code !== 'TOOLS_NOT_AVAILABLE') throw thrown;
      return {};
    }
  };

  // Asked before any token is shown, and it tells nothing of sessions: its clients would ask for ever, and never hear that their token is wrong.
  app.get(
    '/health',
    { config: { allow: 'public' }, schema: { hide: true, response: { 200: z.object({ status: z.literal('ok') }) } } },
    async () => ({ status: 'ok' as const }),
  );

  app.get('/desktop/status', { config, schema }, async (request, reply) => describe(callingOf(request, reply)));

  app.get('/desktop/display/info', { config, schema: { hide: true, response: { 200: Display } } }, (request, reply) => {
    const calling = callingOf(request, reply);
    const { access, caller, signal } = calling;
    return desks.ask(calling, NAMES, async () => {
      const [{ driver }, { display }] = await Promise.all([
        programs.meet(access, caller),
        tools.call(access, 'describeDisplay', {}, { signal }),
      ]);
      return { display, resolution: { ...driver.screen, dpi: DPI } };
    });
  });

  app.post('/desktop/start', { config, schema: { ...schema, body: Start.nullish() } }, async (request, reply) => {
    const calling = callingOf(request, reply);
    const session = await desks.assertActive(calling);
    const status = await describe(calling);
    if (request.body) refuseOthers(request.body, session, status);
    return status;
  });

  app.post(
    '/desktop/stop',
    { config: { allow: 'owner' }, schema: { ...schema, params: z.object({ sessionId: z.string() }) } },
    async ({ params: { sessionId }, principal, id: requestId }) => {
      audit.record({ actor: actorOf(principal), action: 'session.stopped', target: `session:${sessionId}`, requestId });
      const session = await sessions.stop(sessionId);
      return statusOf(session, hub.stateOf(session.agent_id));
    },
  );
}

/** What was asked for and is as it is asked for is fine. @throws GatewayError ACTION_INVALID */
function refuseOthers(asked: Start, { id, spec }: SessionRow, { resolution }: Status): void {
  const present: Partial<Record<keyof Start, number | string | undefined>> = {
    width: resolution?.width,
    height: resolution?.height,
    dpi: DPI,
    streamVideoCodec: VIDEO_CODEC,
    streamAudioCodec: AUDIO_CODEC,
    streamFrameRate: specOf(spec).screen.rate,
  };
  for (const name of Start.keyof().options) {
    const wanted = asked[name];
    if (wanted === undefined || wanted === null || wanted === present[name]) continue;
    const is = present[name] === undefined ? 'is not for clients to choose' : `is ${present[name]}`;
    throw new GatewayError(
      'ACTION_INVALID',
      `${name} of session ${id} ${is}, and the desktop runs: leave it out here, and order the session as it is to be`,
    );
  }
}
