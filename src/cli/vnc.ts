import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isLoopback, joinHostPort, parsePlace } from '../net/address.ts';
import { VncListener } from '../bridge/vnc-listener.ts';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { Id } from '../protocol/session.ts';
import { aborted, untilSignal } from './signals.ts';

const USAGE = `usage: nekogate vnc SESSION [--gateway URL] [--token-file FILE] [--listen ADDRESS:PORT] [--password-file FILE]

Lets VNC clients on this machine (TigerVNC, Remmina and the like) join a session, until Ctrl-C.

  --gateway URL           (http://127.0.0.1:8080)
  --token-file FILE       the access token's file; left out, NEKOGATE_ACCESS_TOKEN is the token
  --listen [ADDRESS:]PORT where VNC clients find the session (127.0.0.1:5901); 0 takes any free port
  --password-file FILE    what they must know, of which eight bytes count; an address that others reach needs one
`;

export async function runVnc(args: string[], environment: Environment): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      gateway: { type: 'string', default: 'http://127.0.0.1:8080' },
      'token-file': { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:5901' },
      'password-file': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const session = Id.safeParse(positionals[0]);
  if (!session.success || positionals.length !== 1) {
    process.stderr.write(`nekogate: name one session\n\n${USAGE}`);
    return 2;
  }
  const password = values['password-file'] === undefined ? undefined : await readSecretFile(values['password-file']);
  const { host, port } = parsePlace(values.listen, { flag: '--listen', host: '127.0.0.1' });
  if (password === undefined && !isLoopback(host))
    throw new GatewayError(
      'BAD_REQUEST',
      `--listen ${values.listen} lets others at the session with your access: give them a password by --password-file`,
    );
  const tokenFile = values['token-file'];
  const token = tokenFile === undefined ? environment.accessToken : await readSecretFile(tokenFile);
  if (token === undefined)
    throw new GatewayError(
      'UNAUTHENTICATED',
      'no access token: name its file by --token-file, or set NEKOGATE_ACCESS_TOKEN',
    );
  const stop = untilSignal();
  await using listener = await VncListener.open({
    host,
    port,
    password,
    door: { url: doorOf(values.gateway, session.data), token },
    log: createLogger(environment.logLevel),
  });
  process.stdout.write(`session ${session.data} is at ${joinHostPort(host, listener.port)}\n`);
  await aborted(stop);
  return 0;
}

function doorOf(gateway: string, sessionId: string): URL {
  if (!/^https?:/.test(gateway) || !URL.canParse(gateway))
    throw new GatewayError('BAD_REQUEST', `--gateway ${gateway} is not like https://gateway.example`);
  return new URL(gateway.replace(/^http/, 'ws').replace(/\/*$/, `/s/${sessionId}/vnc`));
}

async function readSecretFile(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new GatewayError('BAD_REQUEST', `${file} can't be read: ${String(cause)}`, { cause });
  });
  const secret = text.trim();
  if (secret === '') throw new GatewayError('BAD_REQUEST', `${file} is empty`);
  return secret;
}
