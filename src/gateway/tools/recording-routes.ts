import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { Recording, RecordingId, RecordingList, RecordingOrder } from '../../protocol/recordings.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import { untilGone } from '../calls.ts';
import type { AccessRow } from '../store/tables.ts';
import { readRange } from './byte-range.ts';
import { controllerOf } from './rights.ts';
import type { ToolRouteDeps } from './routes.ts';

const Session = z.object({ sessionId: Id });
const One = Session.extend({ recordingId: RecordingId });

/** Recordings of a session's screen and sound: controllers and owners make and take them. */
export function addRecordingRoutes(app: App, { tools, audit }: Pick<ToolRouteDeps, 'tools' | 'audit'>): void {
  const path = '/api/v1/sessions/:sessionId/recordings';
  const one = `${path}/:recordingId`;
  const tags = ['desktop'];
  const config = { allow: 'member' } as const;
  const record = (access: AccessRow, action: RecordingAction, requestId: string, recording: Recording): void =>
    recordRecording(audit, { access, requestId }, action, recording);

  app.post(
    path,
    {
      config,
      schema: {
        tags,
        summary: 'Start to record the screen, and the sound',
        params: Session,
        body: RecordingOrder,
        response: { 201: Recording },
      },
    },
    async ({ principal, id: requestId, body }, reply) => {
      const access = controllerOf(principal);
      const recording = await tools.call(access, 'startRecording', body, { signal: untilGone(reply) });
      record(access, 'started', requestId, recording);
      return reply.code(201).send(recording);
    },
  );

  app.get(
    path,
    {
      config,
      schema: { tags, summary: "The session's recordings", params: Session, response: { 200: RecordingList } },
    },
    ({ principal }, reply) => tools.call(controllerOf(principal), 'listRecordings', {}, { signal: untilGone(reply) }),
  );

  app.get(
    one,
    { config, schema: { tags, summary: 'One recording', params: One, response: { 200: Recording } } },
    ({ principal, params: { recordingId: id } }, reply) =>
      tools.call(controllerOf(principal), 'getRecording', { id }, { signal: untilGone(reply) }),
  );

  app.post(
    `${one}/stop`,
    {
      config,
      schema: {
        tags,
        summary: 'End a recording; answered once its file is whole',
        params: One,
        response: { 200: Recording },
      },
    },
    async ({ principal, id: requestId, params: { recordingId: id } }, reply) => {
      const access = controllerOf(principal);
      const recording = await tools.call(access, 'stopRecording', { id }, { signal: untilGone(reply) });
      record(access, 'stopped', requestId, recording);
      return recording;
    },
  );

  app.get(
    `${one}/content`,
    { config, schema: { tags, summary: 'The MP4 file, or with Range a part of it', params: One } },
    async ({ principal, id: requestId, params: { recordingId: id }, headers: { range } }, reply) => {
      const access = controllerOf(principal);
      const signal = untilGone(reply);
      const recording = await tools.call(access, 'getRecording', { id }, { signal });
      if (recording.state === 'recording')
        throw new GatewayError('CONFLICT', `recording ${id} is still being made; stop it first`);
      const part = readRange(range, recording.bytes);
      const { start, end } = part ?? { start: 0, end: Math.max(0, recording.bytes - 1) };
      const { body } = await tools.call(access, 'readRecording', { id, start, end }, { signal });
      // A player asks for part after part.
      if (start === 0) record(access, 'downloaded', requestId, recording);
      reply
        .headers({
          'content-type': 'video/mp4',
          'content-length': end - start + 1,
          'accept-ranges': 'bytes',
          'content-disposition': dispositionOf(recording.fileName),
          'cache-control': 'no-store',
        })
        .code(part ? 206 : 200);
      if (part) reply.header('content-range', `bytes ${start}-${end}/${recording.bytes}`);
      return reply.send(body);
    },
  );

  app.delete(
    one,
    {
      config,
      schema: {
        tags,
        summary: 'Remove a recording for good; one that is being made is ended',
        params: One,
        response: { 200: Recording },
      },
    },
    async ({ principal, id: requestId, params: { recordingId: id } }, reply) => {
      const access = controllerOf(principal);
      const recording = await tools.call(access, 'deleteRecording', { id }, { signal: untilGone(reply) });
      record(access, 'deleted', requestId, recording);
      return recording;
    },
  );
}

type RecordingAction = 'started' | 'stopped' | 'downloaded' | 'deleted';

/** Audits what somebody did with a recording. */
export function recordRecording(
  audit: Audit,
  { access, requestId }: { access: AccessRow; requestId: string },
  action: RecordingAction,
  { id, bytes }: Recording,
): void {
  audit.record({
    actor: `access:${access.id}`,
    action: `recording.${action}`,
    target: `session:${access.session_id}`,
    detail: { recording: id, bytes },
    requestId,
  });
}

/** As RFC 6266 has it, for names that ASCII doesn't. */
function dispositionOf(fileName: string): string {
  const escaped = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="recording.mp4"; filename*=UTF-8''${escaped}`;
}
