import { readdirSync, readFileSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { ADMIN_PASSWORD, isDeadDisplay, openDesktop, openPlan } from '../../test/harness/desktop.ts';
import { GatewayError } from '../errors.ts';
import { NekoClient } from '../neko/client.ts';
import { Child } from '../process/child.ts';
import { findSessionProcesses } from '../process/sweep.ts';
import { findProcess } from '../process/table.ts';
import { Desktop } from './desktop.ts';
import { DesktopState } from './state.ts';

const EXITS_3 = fileURLToPath(new URL('../../test/fixtures/exits-3.mjs', import.meta.url));
const SIGNAL = new AbortController().signal;

test('a started desktop runs and shows a picture, and nothing is left of it once it is stopped', async () => {
  await using opened = await openDesktop({ audio: true });
  const { desktop, plan } = opened;
  const { folder } = plan.environment;
  const state = DesktopState.parse(desktop.state);
  assert.equal(state.state, 'running');
  const names = state.parts.map(({ name }) => name).toSorted();
  assert.deepEqual(names, ['accessibility-bus', 'app', 'sound-server', 'streamer', 'window-manager', 'x-server']);
  const picture = await new NekoClient({ baseUrl: state.streamer.baseUrl, adminPassword: ADMIN_PASSWORD }).screenshot();
  assert.equal(picture.subarray(0, 2).toString('hex'), 'ffd8');

  await desktop.stop();

  assert.isEmpty(findSessionProcesses(folder.path));
  assert.isEmpty(state.parts.filter(({ pid }) => findProcess(pid)?.isZombie === false));
  assert.isEmpty(readdirSync(folder.path));
  assert.isFalse(await isDeadDisplay(state.display));
});

test('a program that keeps ending makes the desktop fail with its last words, and nothing of it runs any more', async () => {
  await using opened = await openDesktop({ app: [process.execPath, EXITS_3] });

  const failure = await opened.desktop.failed;

  assert.equal(failure.code, 'DESKTOP_FAILED');
  assert.match(failure.message, /exited with code 3, and again after every restart/);
  assert.include(opened.desktop.state.logTail, 'going down');
  assert.equal(opened.desktop.state.state, 'failed');
  assert.isEmpty(findSessionProcesses(opened.plan.environment.folder.path));
  assert.isEmpty(readdirSync(opened.plan.environment.folder.path));
});

test('a streamer that does not start fails the start with its last words and leaves nothing behind', async () => {
  await using owned = new AsyncDisposableStack();
  const streamer = { kind: 'neko' as const, file: process.execPath, args: [EXITS_3] };
  const plan = await openPlan(owned, {}, { streamer });
  const states: DesktopState[] = [];

  const failure = await failureOf(Desktop.start(plan, { onState: (state) => states.push(state) }, SIGNAL));

  assert.equal(failure.code, 'NEKO_START_FAILED');
  assert.match(failure.message, /exited with code 3\ngoing down/);
  assert.equal(states.at(-1)?.state, 'failed');
  assert.isEmpty(findSessionProcesses(plan.environment.folder.path));
  assert.isEmpty(readdirSync(plan.environment.folder.path));
});

test('a program that is not on the host fails the start and is named', async () => {
  await using owned = new AsyncDisposableStack();
  const plan = await openPlan(owned, { app: ['no-such-program'] });

  const failure = await failureOf(Desktop.start(plan, { onState: () => undefined }, SIGNAL));

  assert.equal(failure.code, 'SESSION_START_FAILED');
  assert.match(failure.message, /no-such-program is not on this host/);
  assert.isEmpty(findSessionProcesses(plan.environment.folder.path));
});

test('a desktop called off while it starts leaves nothing behind', async () => {
  await using owned = new AsyncDisposableStack();
  const plan = await openPlan(owned, {});
  const calledOff = new AbortController();
  const onState = (state: DesktopState): void => {
    if (state.stage?.includes('streamer')) calledOff.abort(new Error('called off'));
  };

  const outcome = await Desktop.start(plan, { onState }, calledOff.signal).then(() => 'started', String);

  assert.equal(outcome, 'Error: called off');
  assert.isEmpty(findSessionProcesses(plan.environment.folder.path));
  assert.isEmpty(readdirSync(plan.environment.folder.path));
});

test.each(['streamer', 'app', 'window-manager', 'sound-server', 'x-server'])(
  'a killed %s is told as the reason, and the desktop comes back whole',
  async (name) => {
    await using opened = await openDesktop({ audio: true });
    const { display } = opened.desktop.state;
    const lost = pidOf(opened.desktop.state, name);

    process.kill(lost, 'SIGKILL');
    const broken = await opened.until(({ state }) => state === 'starting');
    const whole = await opened.until(({ state }) => state === 'running');

    assert.match(broken.reason?.message ?? '', /was ended by SIGKILL|exited with code/);
    assert.notEqual(pidOf(whole, name), lost);
    assert.lengthOf(whole.parts, 6);
    assert.isFalse(await isDeadDisplay(display));
    const neko = new NekoClient({ baseUrl: whole.streamer.baseUrl, adminPassword: ADMIN_PASSWORD });
    assert.isAbove((await neko.screenshot()).length, 0);
  },
);

test('desktops beside each other have displays and ports of their own', async () => {
  await using opened = new AsyncDisposableStack();
  const desktops = await Promise.all([1, 2, 3].map(() => openDesktop({})));
  for (const desktop of desktops) opened.use(desktop);

  const states = desktops.map(({ desktop }) => desktop.state);

  assert.deepEqual(
    states.map(({ state }) => state),
    ['running', 'running', 'running'],
  );
  assert.lengthOf(new Set(states.map(({ display }) => display)), 3);
  assert.lengthOf(new Set(states.map(({ streamer }) => streamer.baseUrl)), 3);
});

test('a program finds its own environment and the one that the session asked for, and nothing of the agent', async () => {
  await using opened = await openDesktop({ environment: { GREETING: 'hello' } });

  const environ = readFileSync(`/proc/${pidOf(opened.desktop.state, 'app')}/environ`, 'utf8');

  const { folder, inheritable } = opened.plan.environment;
  const names = environ.split('\0').flatMap((variable) => /^([^=]+)=/.exec(variable)?.[1] ?? []);
  const own = [
    'DBUS_SESSION_BUS_ADDRESS',
    'DISPLAY',
    'GREETING',
    'HOME',
    'NEKOGATE_SESSION_DIR',
    'AT_SPI_BUS_ADDRESS',
    'PATH',
  ];
  const session = ['PULSE_SERVER', 'TMPDIR', 'XAUTHORITY', 'XDG_RUNTIME_DIR'];
  assert.sameMembers(names, [...own, ...session, ...Object.keys(inheritable)]);
  assert.include(environ, `HOME=${folder.home}\0`);
});

test('a program without the cookie can not open the display', async () => {
  await using opened = await openDesktop({});
  const { folder, path } = opened.plan.environment;
  const env = { PATH: path, HOME: folder.home, DISPLAY: opened.desktop.state.display ?? '' };
  await using stranger = new Child({ name: 'a stranger', file: 'xterm', args: ['-e', 'true'], env, cwd: '/' });

  const exit = await stranger.exited;

  assert.deepEqual(exit, { kind: 'code', code: 1 });
  assert.equal(statSync(join(folder.run, 'xauthority')).mode & 0o777, 0o600);
});

test('the desktop answers VNC on a socket that only its user can open', async () => {
  await using opened = await openDesktop({});
  const { rfbSocket } = opened.desktop.state;
  const socket = connect(rfbSocket);

  const [greeting]: unknown[] = await once(socket, 'data');
  socket.destroy();

  assert.equal(String(greeting), 'RFB 003.008\n');
  assert.equal(statSync(rfbSocket).mode & 0o777, 0o600);
});

function pidOf(state: DesktopState, name: string): number {
  const part = state.parts.find((one) => one.name === name);
  if (!part) throw new Error(`the desktop has no ${name}`);
  return part.pid;
}

async function failureOf(start: Promise<unknown>): Promise<GatewayError> {
  try {
    await start;
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  throw new Error('it started');
}
