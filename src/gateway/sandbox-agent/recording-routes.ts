import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { RecordingId, RecordingOrder, type Recording } from '../../protocol/recordings.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { mayDrive } from '../computer/run.ts';
import { recordRecording } from '../tools/recording-routes.ts';
import type { Tools } from '../tools/tools.ts';
import { callingOf, type Calling, type Desks, type Names } from './desk.ts';

const NAMES: Names = { behind: 'desktop_runtime_failed' };

const Info = z.object({
  id: z.string(),
  status: z.enum(['recording', 'completed', 'failed']),
  fileName: z.string(),
  bytes: z.int(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
});
const One = z.object({ sessionId: z.string(), recordingId: RecordingId });

export interface RecordingRoutesDeps {
  desks: Desks;
  tools: Tools;
  audit: Audit;
}

/** Recordings, of which sandbox-agent makes one at a time. */
export function addRecordingRoutes(app: App, { desks, tools, audit }: RecordingRoutesDeps): void {
  const config = { allow: 'member' } as const;
  const schema = { hide: true, response: { 200: Info } };
  const oneSchema = { ...schema, params: One };

  const ask = <T>(calling: Calling, question: () => Promise<T>): Promise<T> => {
    const { role } = calling.access;
    if (!mayDrive(calling.access)) throw new GatewayError('FORBIDDEN', `role ${role} has no recordings`);
    return desks.ask(calling, NAMES, question);
  };
  /** Sessions whose recording is about to begin. */
  const starting = new Set<string>();
  const list = async ({ access, signal }: Calling): Promise<Recording[]> =>
    (await tools.call(access, 'listRecordings', {}, { signal })).recordings;
  const get = ({ access, signal }: Calling, id: string): Promise<Recording> =>
    tools.call(access, 'getRecording', { id }, { signal });
  const record = (
    { access, caller }: Calling,
    action: 'started' | 'stopped' | 'downloaded' | 'deleted',
    of: Recording,
  ) => recordRecording(audit, { access, requestId: caller.requestId }, action, of);

  app.post(
    '/desktop/recording/start',
    { config, schema: { ...schema, body: z.strictObject({ fps: RecordingOrder.shape.fps.nullable() }).nullish() } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { fps } = request.body ?? {};
      const { access, signal } = calling;
      return await ask(calling, async () => {
        if (starting.has(access.session_id)) throw new GatewayError('CONFLICT', 'a recording is being started');
        starting.add(access.session_id);
        try {
          const present = (await list(calling)).find(({ state }) => state === 'recording');
          if (present) throw new GatewayError('CONFLICT', `recording ${present.id} is being made; stop it first`);
          const started = await tools.call(access, 'startRecording', { fps: fps ?? undefined }, { signal });
          record(calling, 'started', started);
          return infoOf(started);
        } finally {
          starting.delete(access.session_id);
        }
      });
    },
  );

  app.post('/desktop/recording/stop', { config, schema }, async (request, reply) => {
    const calling = callingOf(request, reply);
    return await ask(calling, async () => {
      const present = (await list(calling)).find(({ state }) => state === 'recording');
      if (!present) throw new GatewayError('CONFLICT', 'nothing is recorded now');
      const { access, signal } = calling;
      const stopped = await tools.call(access, 'stopRecording', { id: present.id }, { signal });
      record(calling, 'stopped', stopped);
      return infoOf(stopped);
    });
  });

  app.get(
    '/desktop/recordings',
    { config, schema: { hide: true, response: { 200: z.object({ recordings: z.array(Info) }) } } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      return { recordings: (await ask(calling, () => list(calling))).map(infoOf) };
    },
  );

  app.get('/desktop/recordings/:recordingId', { config, schema: oneSchema }, async (request, reply) => {
    const calling = callingOf(request, reply);
    return infoOf(await ask(calling, () => get(calling, request.params.recordingId)));
  });

  app.get(
    '/desktop/recordings/:recordingId/download',
    { config, schema: { hide: true, params: One } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { recordingId: id } = request.params;
      const { recording, body } = await ask(calling, async () => {
        const finished = await getFinished(calling, id);
        const part = { id, start: 0, end: Math.max(0, finished.bytes - 1) };
        const { access, signal } = calling;
        return { recording: finished, body: (await tools.call(access, 'readRecording', part, { signal })).body };
      });
      record(calling, 'downloaded', recording);
      return reply
        .headers({ 'content-type': 'video/mp4', 'content-length': recording.bytes, 'cache-control': 'no-store' })
        .send(body);
    },
  );

  app.delete(
    '/desktop/recordings/:recordingId',
    { config, schema: { hide: true, params: One } },
    async (request, reply) => {
      const calling = callingOf(request, reply);
      const { recordingId: id } = request.params;
      await ask(calling, async () => {
        await getFinished(calling, id);
        const { access, signal } = calling;
        record(calling, 'deleted', await tools.call(access, 'deleteRecording', { id }, { signal }));
      });
      return reply.code(204).send();
    },
  );

  async function getFinished(calling: Calling, id: string): Promise<Recording> {
    const recording = await get(calling, id);
    if (recording.state === 'recording')
      throw new GatewayError('CONFLICT', `recording ${id} is still being made; stop it first`);
    return recording;
  }
}

function infoOf({ id, state: status, fileName, bytes, startedAt, endedAt }: Recording): z.infer<typeof Info> {
  return { id, status, fileName, bytes, startedAt, endedAt };
}
