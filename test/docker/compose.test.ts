// The compose file, brought up for real with this tree's images.
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { assert, inject, test } from 'vitest';
import { z } from 'zod';
import { connectApi } from '../../src/cli/api.ts';
import { isBlue, middleOf, openBrowser } from '../harness/browser.ts';
import { dockerAt } from '../harness/docker.ts';
import { until } from '../harness/house.ts';
import { ensureStandIns, GATEWAY_IMAGE } from '../harness/images.ts';
import { freePort } from '../harness/ports.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROJECT = 'nekogate-compose-test';
const BRING_UP_MS = 120_000;

test('one command brings up gateway, store, TURN and agent, and a desktop that a browser shows; and takes all of it away', async () => {
  const docker = dockerAt(inject('dockerHost'));
  const standIns = await ensureStandIns(docker);
  const socket = docker.host.replace('unix://', '');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const compose = async (...args: string[]): Promise<string> => {
    const env = {
      DOCKER_HOST: docker.host,
      DOCKER_SOCKET: socket,
      NEKOGATE_VERSION: 'test',
      NEKOGATE_PORT: String(port),
      NEKOGATE_PUBLIC_URL: url,
      POSTGRES_IMAGE: standIns.postgres,
      COTURN_IMAGE: standIns.coturn,
    };
    return (await execa('docker-compose', ['--project-name', PROJECT, ...args], { cwd: ROOT, env })).stdout;
  };
  await using owned = new AsyncDisposableStack();
  owned.defer(async () => {
    await compose('down', '--volumes');
    const rights = ['--user', '0:0', '--volume', `${socket}:/var/run/docker.sock`];
    const prune = ['agent', '--runtime=docker', '--id=local', '--prune', '--yes'];
    await docker.run(['run', '--rm', ...rights, GATEWAY_IMAGE, ...prune]);
  });

  await compose('up', '--detach', '--no-build');

  const callApi = connectApi(
    url,
    (await compose('exec', '-T', 'gateway', 'cat', '/var/lib/nekogate/admin-token')).trim(),
  );
  const Agents = z.object({ agents: z.array(z.object({ id: z.string(), state: z.string() })) });
  await until(
    'the agent is there',
    () => callApi('GET', '/api/v1/agents', Agents),
    ({ agents }) => agents.some(({ state }) => state === 'online'),
    BRING_UP_MS,
  );
  const Session = z.object({ id: z.string(), state: z.string(), reason: z.unknown().optional() });
  const session = await callApi('POST', '/api/v1/sessions?wait=ready', Session, {
    app: ['xterm', '-fullscreen', '-bg', '#2040c0'],
    screen: { width: 800, height: 600 },
  });
  assert.equal(session.state, 'running', JSON.stringify(session.reason));
  const Access = z.object({ viewUrl: z.string() });
  const { viewUrl } = await callApi('POST', `/api/v1/sessions/${session.id}/access`, Access, {
    role: 'viewer',
    label: 'a test',
  });
  assert.isTrue(viewUrl.startsWith(url));
  await using browser = await openBrowser();
  const page = await browser.newPage();
  await page.goto(viewUrl);
  await until('the desktop in the browser', () => middleOf(page), isBlue);

  // Again, nothing is made anew: the same store, the same agent.
  await compose('up', '--detach', '--no-build');
  const { agents } = await callApi('GET', '/api/v1/agents', Agents);
  assert.deepEqual(
    agents.map(({ id }) => id),
    ['local'],
  );

  await owned.disposeAsync();
  const left = await Promise.all([
    docker.run(['ps', '--all', '--quiet', '--filter', `label=com.docker.compose.project=${PROJECT}`]),
    docker.run(['ps', '--all', '--quiet', '--filter', 'label=nekogate.agent=local']),
    docker.run(['volume', 'ls', '--quiet', '--filter', `name=${PROJECT}`]),
    docker.run(['network', 'ls', '--quiet', '--filter', `name=${PROJECT}`]),
  ]);
  assert.deepEqual(left, ['', '', '', '']);
});

test.each([['docker-compose.yml', 'deploy/tls.yml'], ['deploy/agent.yml']])('compose reads %s', async (...files) => {
  const env = {
    NEKOGATE_DOMAIN: 'desktops.example.org',
    NEKOGATE_GATEWAY: 'https://desktops.example.org',
    NEKOGATE_AGENT_ID: 'host-2',
    NEKOGATE_ADDRESS: '203.0.113.8',
  };
  const args = files.flatMap((file) => ['--file', file]);

  const { exitCode, stderr } = await execa('docker-compose', [...args, 'config', '--quiet'], {
    cwd: ROOT,
    env,
    reject: false,
  });

  assert.deepEqual([exitCode, stderr], [0, '']);
});
