// The only reader of the environment: parsed once, before anything opens; wrong settings stop the program.
/* oxlint-disable node/no-process-env -- this module is the one place that may */
import { readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from './errors.ts';

/** What the environment says; command-line flags win over it. Secrets come by environment or file, never by flag. */
export interface Environment {
  /** Where keys, tokens and the embedded database live. NEKOGATE_DATA_DIR, else XDG_STATE_HOME/nekogate. */
  readonly dataDir: string;
  /** Where running sessions keep sockets and state. NEKOGATE_RUNTIME_DIR, else XDG_RUNTIME_DIR/nekogate, else a folder of this user under /tmp. */
  readonly runtimeDir: string;
  /** postgres://… puts the store there instead of the embedded SQLite: DATABASE_URL, or what stands in DATABASE_URL_FILE. */
  readonly databaseUrl: string | undefined;
  /** The agent's key, 64 hex digits: NEKOGATE_AGENT_KEY or AGENT_API_KEY. */
  readonly agentKey: string | undefined;
  /** The gateway's administrator token, for the command line: NEKOGATE_ADMIN_TOKEN, else the data folder's `admin-token`. */
  readonly adminToken: string | undefined;
  /** The gateway that commands call: NEKOGATE_URL. */
  readonly gatewayUrl: string | undefined;
  /** The token of an access, for commands that look or drive: NEKOGATE_ACCESS_TOKEN, or what stands in NEKOGATE_ACCESS_TOKEN_FILE. */
  readonly accessToken: string | undefined;
  /** What clients of an MCP server that listens must show: NEKOGATE_MCP_TOKEN, or what stands in NEKOGATE_MCP_TOKEN_FILE. */
  readonly mcpToken: string | undefined;
  /** The static-auth-secret of the TURN servers: NEKOGATE_TURN_SECRET. */
  readonly turnSecret: string | undefined;
  /** The streamer's binary, where one is set: NEKO_BIN. */
  readonly nekoBin: string | undefined;
  /** DOCKER_HOST, as Docker's own client reads it; undefined: its usual socket. */
  readonly dockerHost: string | undefined;
  /** Where the user's SSH agent listens: SSH_AUTH_SOCK. */
  readonly sshAuthSock: string | undefined;
  readonly path: string;
  readonly logLevel: string;
  /** What a desktop's programs may inherit: locale and time zone, nothing else of ours. */
  readonly inheritable: Readonly<Record<string, string>>;
}

const INHERITABLE = ['LANG', 'LANGUAGE', 'LC_ALL', 'LC_CTYPE', 'TZ'] as const;

/** The whole environment, for a container's order is made of it; `readContainerOrder` parses it. */
export function readContainerVariables(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const user = process.getuid?.() ?? 0;
  return {
    dataDir: env['NEKOGATE_DATA_DIR'] || join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'nekogate'),
    runtimeDir:
      env['NEKOGATE_RUNTIME_DIR'] ||
      (env['XDG_RUNTIME_DIR'] ? join(env['XDG_RUNTIME_DIR'], 'nekogate') : join(tmpdir(), `nekogate-${user}`)),
    databaseUrl: env['DATABASE_URL'] || readSecret(env['DATABASE_URL_FILE']),
    agentKey: env['NEKOGATE_AGENT_KEY'] || env['AGENT_API_KEY'] || undefined,
    adminToken: env['NEKOGATE_ADMIN_TOKEN'] || undefined,
    gatewayUrl: env['NEKOGATE_URL'] || undefined,
    accessToken: env['NEKOGATE_ACCESS_TOKEN'] || readSecret(env['NEKOGATE_ACCESS_TOKEN_FILE']),
    mcpToken: env['NEKOGATE_MCP_TOKEN'] || readSecret(env['NEKOGATE_MCP_TOKEN_FILE']),
    turnSecret: env['NEKOGATE_TURN_SECRET'] || undefined,
    nekoBin: env['NEKO_BIN'] || undefined,
    dockerHost: env['DOCKER_HOST'] || undefined,
    sshAuthSock: env['SSH_AUTH_SOCK'] || undefined,
    path: env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    logLevel: env['NEKOGATE_LOG_LEVEL'] || 'info',
    inheritable: Object.fromEntries(
      INHERITABLE.flatMap((name) => {
        const value = env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}

/** @throws GatewayError BAD_REQUEST when the file that was named can't be read */
function readSecret(file: string | undefined): string | undefined {
  if (file === undefined || file === '') return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', `${file}, which the environment names, can't be read: ${String(cause)}`, {
      cause,
    });
  }
}
