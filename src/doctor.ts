import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { execa } from 'execa';
import { Client } from 'undici';
import { z } from 'zod';
import { countFreeSlots, DEFAULT_SLOTS } from './agent/slots.ts';
import type { Environment } from './config.ts';
import { TERMINAL } from './desktop/app.ts';
import { BROWSERS } from './desktop/sandbox.ts';
import { PACKAGES } from './desktop/programs.ts';
import { GatewayError } from './errors.ts';
import { findStreamer, type Streamer } from './neko/find.ts';
import { findExecutable } from './process/executable.ts';

/** One thing that this machine has or lacks. */
export interface Finding {
  name: string;
  ok: boolean;
  /** Whether no desktop can run here without it. */
  isNeeded: boolean;
  detail: string;
  /** What makes it ok. */
  fix?: string;
}

const NODE_MAJOR_MIN = 24;
/** A program that only says its version takes far less. */
const PROBE_MS = 10_000;
const DOCKER_SOCKET = '/var/run/docker.sock';

/** What the embedded streamer's pipelines are made of, by Debian's and Ubuntu's package. */
const ELEMENTS = [
  { package: 'gstreamer1.0-plugins-base', elements: ['videoconvert', 'videorate', 'audioconvert', 'opusenc'] },
  {
    package: 'gstreamer1.0-plugins-good',
    elements: ['ximagesrc', 'vp8enc', 'rtpvp8pay', 'rtpopuspay', 'rtpbin', 'rtpstreampay', 'pulsesrc', 'jpegenc'],
  },
];

/** What recordings are made of. */
const RECORDING_ELEMENTS = [
  { package: 'gstreamer1.0-plugins-base', elements: ['videoconvert', 'audioconvert', 'opusenc'] },
  { package: 'gstreamer1.0-plugins-good', elements: ['ximagesrc', 'pulsesrc', 'mp4mux'] },
  { package: 'gstreamer1.0-plugins-ugly', elements: ['x264enc'] },
];

/** Looks at all that a desktop is made of. Changes nothing. */
export async function examineMachine(environment: Environment): Promise<Finding[]> {
  const { path } = environment;
  const streamer = streamerOf(environment);
  const xServer = findExecutable('Xvnc', path) ?? findExecutable('Xtigervnc', path);
  const isEmbedded = !(streamer instanceof GatewayError) && streamer.kind === 'embedded';
  const probes = [
    neko(streamer),
    pipelines(path, ELEMENTS, { name: 'embedded streamer', isNeeded: isEmbedded }),
    pipelines(path, RECORDING_ELEMENTS, { name: 'recordings', isNeeded: false }),
    ports(),
    docker(),
  ];
  return [
    nodeVersion(),
    program('X server and VNC', xServer, { isNeeded: true, package: PACKAGES.Xvnc }),
    program('window manager', findExecutable('openbox', path), { isNeeded: true, package: PACKAGES.openbox }),
    program('sound', findExecutable('pulseaudio', path), { isNeeded: false, package: PACKAGES.pulseaudio }),
    browserOrTerminal(path),
    program('ssh, for docker-proxy', findExecutable('ssh', path), { isNeeded: false, package: 'openssh-client' }),
    ...(await Promise.all(probes)),
  ];
}

export function canRunDesktop(findings: readonly Finding[]): boolean {
  return findings.every(({ ok, isNeeded }) => ok || !isNeeded);
}

function nodeVersion(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN;
  return {
    name: 'Node.js',
    ok,
    isNeeded: true,
    detail: process.versions.node,
    ...(ok ? {} : { fix: `install Node.js ${NODE_MAJOR_MIN} or newer` }),
  };
}

function program(
  name: string,
  file: string | undefined,
  { isNeeded, package: packageName }: { isNeeded: boolean; package: string },
): Finding {
  if (file !== undefined) return { name, ok: true, isNeeded, detail: file };
  return { name, ok: false, isNeeded, detail: 'not installed', fix: `apt-get install ${packageName}` };
}

function browserOrTerminal(path: string): Finding {
  const file = [...BROWSERS, TERMINAL].map((name) => findExecutable(name, path)).find((found) => found !== undefined);
  // A session may name a program of its own, so this one is not needed.
  return program('browser or terminal', file, { isNeeded: false, package: 'chromium, or xterm' });
}

function streamerOf(environment: Environment): Streamer | GatewayError {
  try {
    return findStreamer(environment);
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
}

async function neko(streamer: Streamer | GatewayError): Promise<Finding> {
  const name = 'neko';
  if (streamer instanceof GatewayError)
    return { name, ok: false, isNeeded: true, detail: streamer.message, fix: 'correct or unset NEKO_BIN' };
  if (streamer.kind === 'embedded')
    return { name, ok: false, isNeeded: false, detail: 'none here; the embedded streamer takes its place' };
  const version = await say(streamer.file, ['--version'], '/usr/bin:/bin');
  if (version === undefined)
    return { name, ok: false, isNeeded: true, detail: `${streamer.file} does not run`, fix: 'install its libraries' };
  const said = /^Version (.*)$/m.exec(version)?.[1] ?? 'of unknown version';
  return { name, ok: true, isNeeded: true, detail: `${streamer.file}, ${said}` };
}

async function pipelines(
  path: string,
  parts: typeof ELEMENTS,
  { name, isNeeded }: Pick<Finding, 'name' | 'isNeeded'>,
): Promise<Finding> {
  const inspect = findExecutable('gst-inspect-1.0', path);
  if (inspect === undefined || findExecutable('gst-launch-1.0', path) === undefined)
    return program(name, undefined, { isNeeded, package: 'gstreamer1.0-tools' });
  const missing = await Promise.all(
    parts.flatMap(({ package: packageName, elements }) =>
      elements.map(async (element) =>
        (await say(inspect, ['--exists', element], path)) === undefined ? [{ element, packageName }] : [],
      ),
    ),
  );
  const lacks = missing.flat();
  if (lacks.length === 0) return { name, ok: true, isNeeded, detail: 'GStreamer has all that it uses' };
  return {
    name,
    ok: false,
    isNeeded,
    detail: `GStreamer lacks ${lacks.map(({ element }) => element).join(', ')}`,
    fix: `apt-get install ${[...new Set(lacks.map(({ packageName }) => packageName))].join(' ')}`,
  };
}

async function ports(): Promise<Finding> {
  const { httpBase, udpBase, udpSize, count } = DEFAULT_SLOTS;
  const free = await countFreeSlots();
  const ranges = `TCP ${httpBase}-${httpBase + count - 1}, UDP ${udpBase}-${udpBase + count * udpSize - 1}`;
  return {
    name: 'ports',
    ok: free > 0,
    isNeeded: true,
    detail: `free for ${free} of ${count} desktops (${ranges})`,
    ...(free > 0 ? {} : { fix: 'end what uses these ports' }),
  };
}

async function docker(): Promise<Finding> {
  const name = 'docker';
  const absent = { name, ok: false, isNeeded: false };
  if (!existsSync(DOCKER_SOCKET)) return { ...absent, detail: `no ${DOCKER_SOCKET}; sessions run as local processes` };
  const client = new Client('http://docker', { socketPath: DOCKER_SOCKET });
  try {
    const { body } = await client.request({ method: 'GET', path: '/version', signal: AbortSignal.timeout(PROBE_MS) });
    const { Version } = z.object({ Version: z.string() }).parse(await body.json());
    return { name, ok: true, isNeeded: false, detail: `Docker ${Version} at ${DOCKER_SOCKET}` };
  } catch (error) {
    return { ...absent, detail: `${DOCKER_SOCKET} does not answer: ${String(error)}` };
  } finally {
    await client.destroy();
  }
}

/** What a program writes, or undefined when it fails. */
async function say(file: string, args: string[], path: string): Promise<string | undefined> {
  const env = { PATH: path, HOME: homedir() };
  const { failed, stdout } = await execa(file, args, {
    env,
    extendEnv: false,
    reject: false,
    timeout: PROBE_MS,
    stdin: 'ignore',
  });
  return failed ? undefined : stdout;
}
