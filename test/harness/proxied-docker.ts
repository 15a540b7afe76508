import { createConnection } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { inject } from 'vitest';
import { startDockerProxy, type DockerProxy, type DockerProxyOptions } from '../../src/docker-proxy/proxy.ts';
import { SshLink, type RemoteDocker } from '../../src/docker-proxy/ssh/link.ts';
import { dockerAt, type Docker } from './docker.ts';
import { temporaryFolder } from './folder.ts';
import { readAll } from './hostile-engine.ts';
import { until } from './house.ts';
import { DESKTOP_IMAGE } from './images.ts';
import { startSshd, type Sshd } from './sshd.ts';

const log = pino({ level: 'silent' });
/** Says its line to whoever connects, then hears them out. */
export const LISTEN =
  'use Socket; socket(S, AF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(80, INADDR_ANY)) or die; listen(S, 9);';
export const SERVER = `${LISTEN} while (accept(C, S)) { print C "hello\\n"; close C }`;
/** A network of its own, whose addresses nothing else on this machine has. */
export const NETWORK = 'nekogate-proxied';
export const SERVE = ['--network', NETWORK, '--entrypoint', 'perl', DESKTOP_IMAGE, '-e', SERVER];

export interface ProxiedSetting extends AsyncDisposable {
  folder: string;
  sshd: Sshd;
  /** The daemon itself. */
  direct: Docker;
  /** The daemon through the proxy. */
  docker: Docker;
  openProxy(
    choice?: { docker?: RemoteDocker } & Pick<DockerProxyOptions, 'allowedPaths' | 'limits'>,
  ): Promise<DockerProxy>;
  run(...args: string[]): Promise<string>;
}

/** The real daemon behind a real sshd with these lines of sshd_config, and a proxy to open in front; ends with the containers named `proxied-…`. */
export async function setUpProxied(sshdSettings: readonly string[] = []): Promise<ProxiedSetting> {
  await using opening = new AsyncDisposableStack();
  const direct = dockerAt(inject('dockerHost'));
  const { path: folder } = opening.use(await temporaryFolder());
  const sshd = opening.use(await startSshd(folder, sshdSettings));
  const openProxy: ProxiedSetting['openProxy'] = ({ docker: at, ...options } = {}) =>
    startDockerProxy(
      new SshLink(
        { log, agentSocket: undefined, acceptNewHostKeys: false },
        { host: 'remote', configFile: sshd.configFile },
        at ?? { kind: 'socket', path: direct.host.replace('unix://', '') },
      ),
      {
        address: { kind: 'socket', path: join(folder, 'docker.sock') },
        dataDir: join(folder, 'data'),
        ...options,
        log,
      },
    );
  opening.defer(async () => {
    const ids = (await direct.run(['ps', '--all', '--quiet', '--filter', 'name=proxied-'])).split('\n').filter(Boolean);
    if (ids.length > 0) await direct.run(['rm', '--force', '--volumes', ...ids]);
    await direct.run(['network', 'rm', NETWORK]);
  });
  await direct.run(['network', 'create', NETWORK]);
  const docker = dockerAt(`unix://${join(folder, 'docker.sock')}`);
  const owned = opening.move();
  return {
    folder,
    sshd,
    direct,
    docker,
    openProxy,
    run: (...args) => docker.run(args),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export async function say(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = createConnection({ port, host, allowHalfOpen: true });
  try {
    return await readAll(socket);
  } catch (error) {
    return String(error);
  } finally {
    socket.destroy();
  }
}

/** Starts are answered when the tunnel is up; the program behind it may need a moment more. */
export function untilHello(port: number, host?: string): Promise<string> {
  return until(
    'the container answers',
    () => say(port, host),
    (answer) => answer === 'hello\n',
  );
}
