import { assert, test } from 'vitest';
import { CONTAINER_TOOLS_PORT, toolsSecretOf } from '../../src/desktop/container-tools.ts';
import { NekoClient } from '../../src/neko/client.ts';
import {
  CONFINED,
  createVolume,
  PASSWORD,
  startContainer,
  stopContainer,
  type Container,
} from '../harness/container.ts';
import { DESKTOP_IMAGE, GATEWAY_IMAGE } from '../harness/images.ts';

/** Docker's own patience, after which it kills. */
const STOP_GRACE_S = 10;

const ORDERED = ['--env', `NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD=${PASSWORD}`];

test('a desktop in a container without any privilege becomes healthy, lets in who has the password, and shows a picture', async () => {
  await using container = await startContainer(DESKTOP_IMAGE, [...CONFINED, ...ORDERED]);

  await container.untilHealthy();

  const neko = new NekoClient({ baseUrl: await container.baseUrl(), adminPassword: PASSWORD });
  const login = await neko.login('somebody', 'viewer');
  await neko.logout(login.token);
  const picture = await neko.screenshot();
  assert.equal(picture.subarray(0, 2).toString('hex'), 'ffd8');
  assert.equal(await container.exec(['id', '-u']), '1000');
});

test("the browser of a container keeps its own sandbox: its pages run in process namespaces that aren't the container's", async () => {
  await using container = await startContainer(DESKTOP_IMAGE, [...CONFINED, ...ORDERED]);
  await container.untilHealthy();

  const pages = await untilRenderers(container);

  assert.isNotEmpty(pages);
  for (const { command, namespaces } of pages) {
    assert.notInclude(command, '--no-sandbox');
    assert.isAbove(namespaces, 1, command);
  }
});

test('docker stop ends a desktop in time and well', async () => {
  await using container = await startContainer(DESKTOP_IMAGE, [...CONFINED, ...ORDERED]);
  await container.untilHealthy();

  const seconds = await stopContainer(container);

  assert.isBelow(seconds, STOP_GRACE_S);
  assert.equal(await container.exited(), 0);
});

test('a desktop runs on a file system that it can not write to but for its home, and beside an init of Docker', async () => {
  await using _home = await createVolume('nekogate-test-read-only');
  const mounts = ['--tmpfs', '/tmp', '--tmpfs', '/run/nekogate:uid=1000,gid=1000,mode=700'];
  const home = ['--volume', 'nekogate-test-read-only:/home/nekogate'];
  await using container = await startContainer(DESKTOP_IMAGE, [
    '--init',
    '--read-only',
    ...mounts,
    ...home,
    ...CONFINED,
    ...ORDERED,
  ]);

  await container.untilHealthy();

  assert.match(await container.logs(), /the desktop runs on display :\d+ \(embedded\)/);
});

test('the home outlives its container, and a browser that was killed there keeps the next one not out', async () => {
  await using _home = await createVolume('nekogate-test-home');
  const flags = ['--volume', 'nekogate-test-home:/home/nekogate', ...CONFINED, ...ORDERED];
  {
    await using first = await startContainer(DESKTOP_IMAGE, flags);
    await first.untilHealthy();
    await untilRenderers(first);
    await first.exec(['touch', '/home/nekogate/kept']);
    assert.include(await first.exec(['ls', '-A', '/home/nekogate/.config/browser']), 'SingletonLock');
  }

  await using second = await startContainer(DESKTOP_IMAGE, flags);
  await second.untilHealthy();

  assert.isNotEmpty(await untilRenderers(second));
  assert.equal(await second.exec(['ls', '/home/nekogate/kept']), '/home/nekogate/kept');
});

test('a home without room is told as full, and keeps nothing of what did not fit', async () => {
  const home = ['--tmpfs', '/home/nekogate:uid=1000,gid=1000,size=4m', '--env', 'NEKOGATE_APP=["xterm"]'];
  await using container = await startContainer(DESKTOP_IMAGE, [...home, ...CONFINED, ...ORDERED]);
  await container.untilHealthy();
  const tools = new URL(await container.baseUrl());
  tools.port = String(CONTAINER_TOOLS_PORT);

  const answer = await fetch(new URL(`/writeFile?input=${encodeURIComponent('{"path":"large"}')}`, tools), {
    method: 'POST',
    headers: { authorization: `Bearer ${toolsSecretOf(PASSWORD)}` },
    body: Buffer.alloc(8 * 1024 * 1024),
  });

  assert.equal(answer.status, 507);
  assert.include(await answer.text(), '"code":"DISK_FULL"');
  assert.notInclude(await container.exec(['ls', '-A', '/home/nekogate']), 'nekogate-upload');
});

test('an order that can not be obeyed ends the container with 2 and the reason in its log', async () => {
  await using container = await startContainer(DESKTOP_IMAGE, [...ORDERED, '--env', 'NEKO_DESKTOP_SCREEN=big']);

  assert.equal(await container.exited(), 2);

  assert.equal(await container.logs(), 'nekogate: NEKO_DESKTOP_SCREEN is not like 1280x720@25');
});

test("a setting that the streamer doesn't take ends the container, and the log says which", async () => {
  const flags = [...CONFINED, ...ORDERED, '--env', 'NEKOGATE_APP=["xterm"]', '--env', 'NEKO_NO_SUCH_THING=1'];
  await using container = await startContainer(DESKTOP_IMAGE, flags);

  assert.equal(await container.exited(), 1);

  assert.match(await container.logs(), /NEKO_START_FAILED.*exited with code 2[^]*NEKO_NO_SUCH_THING is not supported/);
});

test('where a browser may not have its sandbox, the container ends and says what to do, rather than run it without', async () => {
  // Docker's own profile lets nobody make user namespaces.
  await using container = await startContainer(DESKTOP_IMAGE, ['--cap-drop', 'ALL', ...ORDERED]);

  assert.equal(await container.exited(), 1);

  assert.match(await container.logs(), /chromium can't have its sandbox here.*--security-opt seccomp=/);
});

test('the gateway in a container becomes healthy, keeps its data in a volume, and ends in time and well', async () => {
  await using _data = await createVolume('nekogate-test-data');
  const flags = ['--volume', 'nekogate-test-data:/var/lib/nekogate', '--read-only', '--tmpfs', '/tmp', ...CONFINED];
  await using container = await startContainer(GATEWAY_IMAGE, flags);

  await container.untilHealthy();

  const page = await fetch(`${await container.baseUrl()}/assets/viewer.js`);
  assert.equal(page.status, 200);
  await page.body?.cancel();
  assert.include(await container.exec(['ls', '/var/lib/nekogate']), 'admin-token');
  assert.isBelow(await stopContainer(container), STOP_GRACE_S);
  assert.equal(await container.exited(), 0);
});

interface Renderer {
  command: string;
  /** Process namespaces that it has a number in, the container's own included. */
  namespaces: number;
}

const LIST_PROCESSES =
  'for p in /proc/[0-9]*; do echo "$(grep NSpid: $p/status | wc -w) $(tr "\\0" " " < $p/cmdline)"; done 2>/dev/null';

async function renderersOf(container: Container): Promise<Renderer[]> {
  const lines = (await container.exec(['bash', '-c', LIST_PROCESSES])).split('\n');
  return lines
    .filter((line) => line.includes('--type=renderer') && line.includes('/chromium'))
    .map((line) => ({ namespaces: Number(line.split(' ')[0]) - 1, command: line }));
}

/** The browser starts beside the streamer, and is not waited for. */
async function untilRenderers(container: Container): Promise<Renderer[]> {
  for (;;) {
    const found = await renderersOf(container);
    if (found.length > 0) return found;
  }
}
