// What an ICE plan changes in the frames that neko sends to a viewer. Everything else, and what can't be read, passes as it is.
import { z } from 'zod';
import { formatCandidate, parseCandidate, tcpCandidate, type Candidate } from './candidate.ts';
import { rewriteCandidate, type ChosenPlan } from './ice-plan.ts';
import { CANDIDATE_MAX_LENGTH, ICE_SERVERS_MAX, SDP_MAX_LENGTH } from './messages.ts';

/** What one frame says of the streamer's own end. */
export interface Heard {
  /** There where the frame is a description. */
  ufrag?: string | undefined;
  /** As the streamer said them. */
  candidates: readonly Candidate[];
  /** As the viewer is told them. */
  told: readonly string[];
}

export interface Rewritten {
  /** In place of the frame; none where nothing of it is left to say. */
  frames: readonly string[];
  /** Undefined for a frame that is not about ICE, or can't be read. */
  heard?: Heard;
}

/** neko writes the event first. Frames that begin otherwise, nearly all, are not parsed. */
const SIGNAL_START = '{"event":"signal/';

const Description = z.looseObject({
  event: z.enum(['signal/provide', 'signal/restart', 'signal/offer', 'signal/answer']),
  payload: z.looseObject({ sdp: z.string().max(SDP_MAX_LENGTH), iceservers: z.array(z.unknown()).nullish() }),
});
const Trickled = z.looseObject({
  event: z.literal('signal/candidate'),
  payload: z.looseObject({ candidate: z.string().max(CANDIDATE_MAX_LENGTH) }),
});
const Signal = z.discriminatedUnion('event', [Description, Trickled]);

/** Never throws: a frame that it can't read passes verbatim. */
export function rewriteFrame(frame: string, plan: ChosenPlan): Rewritten {
  const signal = frame.startsWith(SIGNAL_START) ? readSignal(frame) : undefined;
  if (signal === undefined) return { frames: [frame] };
  return signal.event === 'signal/candidate'
    ? rewriteTrickled(frame, signal, plan)
    : rewriteDescription(frame, signal, plan);
}

function readSignal(frame: string): z.infer<typeof Signal> | undefined {
  try {
    return Signal.safeParse(JSON.parse(frame)).data;
  } catch {
    return undefined;
  }
}

function rewriteTrickled(frame: string, signal: z.infer<typeof Trickled>, plan: ChosenPlan): Rewritten {
  const { payload } = signal;
  const candidate = parseCandidate(payload.candidate);
  if (!candidate) return { frames: [frame] };
  const told = rewriteCandidate(candidate, plan).map(formatCandidate);
  const isSame = told.length === 1 && told[0] === payload.candidate;
  const frames = isSame
    ? [frame]
    : told.map((text) => JSON.stringify({ ...signal, payload: { ...payload, candidate: text } }));
  return { frames, heard: { candidates: [candidate], told } };
}

function rewriteDescription(frame: string, signal: z.infer<typeof Description>, plan: ChosenPlan): Rewritten {
  const { event, payload } = signal;
  const { sdp, heard } = rewriteSdp(payload.sdp, plan);
  const own = payload.iceservers ?? [];
  const hasRoom = event === 'signal/provide' && own.length < ICE_SERVERS_MAX;
  const server = hasRoom ? plan.turn?.() : undefined;
  if (sdp === payload.sdp && !server) return { frames: [frame], heard };
  const changed = { ...payload, sdp, ...(server && { iceservers: [...own, server] }) };
  return { frames: [JSON.stringify({ ...signal, payload: changed })], heard };
}

const CANDIDATE_LINE = 'a=candidate:';
const UFRAG_LINE = 'a=ice-ufrag:';

function rewriteSdp(sdp: string, plan: ChosenPlan): { sdp: string; heard: Heard } {
  const newline = sdp.includes('\r\n') ? '\r\n' : '\n';
  const told: string[] = [];
  const candidates: Candidate[] = [];
  let ufrag: string | undefined;
  const lines = sdp.split(newline).flatMap((line) => {
    if (line.startsWith(UFRAG_LINE)) ufrag ??= line.slice(UFRAG_LINE.length);
    const candidate = line.startsWith(CANDIDATE_LINE) ? parseCandidate(line.slice('a='.length)) : undefined;
    if (!candidate) return [line];
    candidates.push(candidate);
    const texts = rewriteCandidate(candidate, plan).map(formatCandidate);
    told.push(...texts);
    return texts.map((text) => `a=${text}`);
  });
  const added = plan.tcp.map((endpoint, index) => formatCandidate(tcpCandidate(endpoint, index)));
  if (added.length > 0 && ufrag !== undefined && insert(lines, added)) told.push(...added);
  return { sdp: lines.join(newline), heard: { ufrag, candidates, told } };
}

/** At the end of the first media section: all sections share its transport, as neko bundles them. False where there is none. */
function insert(lines: string[], candidates: readonly string[]): boolean {
  const first = lines.findIndex((line) => line.startsWith('m='));
  if (first < 0) return false;
  const next = lines.findIndex((line, index) => index > first && line.startsWith('m='));
  const last = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  lines.splice(next < 0 ? last : next, 0, ...candidates.map((text) => `a=${text}`));
  return true;
}
