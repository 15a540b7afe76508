import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { z } from 'zod';
import { parsePlace } from '../net/address.ts';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { Gateway, type GatewayOptions } from '../gateway/gateway.ts';
import { parseTcpMedia } from '../gateway/media/endpoints.ts';
import { createLogger } from '../logger.ts';
import { viewerDir } from '../viewer-dir.ts';
import { aborted, untilSignal } from './signals.ts';

const USAGE = `usage: nekogate gateway [--host ADDRESS] [--port N] [--data-dir DIR] [--public-url URL] [--cors-origin ORIGIN]...
       [--tcp-media [ADDRESS:]PORT [--tcp-media-address ADDRESS]...]
       [--rfb-listen [ADDRESS:]PORT --rfb-tls-cert FILE --rfb-tls-key FILE]

  --host ADDRESS         where to listen (127.0.0.1)
  --port N               (8080)
  --data-dir DIR         administrator token and embedded database (NEKOGATE_DATA_DIR)
  --public-url URL       the address that people use, for links (what it listens on)
  --cors-origin ORIGIN   another web origin that may use the API and embed the viewer; may be repeated
  --tcp-media [ADDRESS:]PORT
                         take viewers' media over TCP there, for those that UDP does not reach (nowhere)
  --tcp-media-address ADDRESS
                         what viewers are told of it, IPv4 or IPv6; may be repeated (where it listens)
  --rfb-listen [ADDRESS:]PORT
                         take VNC clients over TCP there, in TLS (VeNCrypt, X509Plain): name SESSION, password the access token (nowhere; 127.0.0.1 for a port alone)
  --rfb-tls-cert FILE, --rfb-tls-key FILE
                         its certificate, with those between it and its root, and key, both PEM

DATABASE_URL=postgres://… puts the store in Postgres.
`;

/** Options that `gateway` and `up` share. */
export const GATEWAY_OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '8080' },
  'data-dir': { type: 'string' },
  'public-url': { type: 'string' },
  'cors-origin': { type: 'string', multiple: true, default: [] as string[] },
  'tcp-media': { type: 'string' },
  'tcp-media-address': { type: 'string', multiple: true, default: [] as string[] },
  'rfb-listen': { type: 'string' },
  'rfb-tls-cert': { type: 'string' },
  'rfb-tls-key': { type: 'string' },
  help: { type: 'boolean' },
} as const;

export interface GatewayFlags {
  host: string;
  port: string;
  'data-dir'?: string | undefined;
  'public-url'?: string | undefined;
  'cors-origin': string[];
  'tcp-media'?: string | undefined;
  'tcp-media-address': string[];
  'rfb-listen'?: string | undefined;
  'rfb-tls-cert'?: string | undefined;
  'rfb-tls-key'?: string | undefined;
}

export async function runGateway(args: string[], environment: Environment): Promise<number> {
  const { values } = parseArgs({ args, options: GATEWAY_OPTIONS });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = untilSignal();
  const log = createLogger(environment.logLevel);
  await using gateway = await startGateway(values, environment, log);
  log.info({ url: gateway.url }, 'the gateway listens');
  await aborted(stop);
  await gateway.stop();
  return 0;
}

export async function startGateway(flags: GatewayFlags, environment: Environment, logger: Logger): Promise<Gateway> {
  const tcpMedia = flags['tcp-media'];
  if (tcpMedia === undefined && flags['tcp-media-address'].length > 0)
    throw new GatewayError('BAD_REQUEST', '--tcp-media-address is of no use without --tcp-media');
  return Gateway.start({
    host: flags.host,
    port: z.coerce.number().int().min(0).max(65_535).parse(flags.port),
    dataDir: flags['data-dir'] ?? environment.dataDir,
    databaseUrl: environment.databaseUrl,
    publicUrl: flags['public-url'],
    corsOrigins: flags['cors-origin'],
    viewerDir: viewerDir(),
    ...(tcpMedia !== undefined && { tcpMedia: parseTcpMedia(tcpMedia, flags['tcp-media-address']) }),
    rfb: await readRfbFlags(flags),
    logger,
  });
}

async function readRfbFlags(flags: GatewayFlags): Promise<GatewayOptions['rfb']> {
  const { 'rfb-listen': listen, 'rfb-tls-cert': cert, 'rfb-tls-key': key } = flags;
  if (listen === undefined && cert === undefined && key === undefined) return undefined;
  if (listen === undefined || cert === undefined || key === undefined)
    throw new GatewayError('BAD_REQUEST', '--rfb-listen, --rfb-tls-cert and --rfb-tls-key go together');
  const read = (file: string): Promise<Buffer> =>
    readFile(file).catch((cause: unknown) => {
      throw new GatewayError('BAD_REQUEST', `${file} can't be read: ${String(cause)}`, { cause });
    });
  const place = parsePlace(listen, { flag: '--rfb-listen', host: '127.0.0.1' });
  return { place, tls: { cert: await read(cert), key: await read(key) } };
}
