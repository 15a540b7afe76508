import { GatewayError } from '../errors.ts';

/** What one context may have at once. */
export interface Limits {
  /** Of Docker's clients. */
  connections: number;
  /** Published, each with its listeners here. */
  ports: number;
  /** Kept in step. */
  folders: number;
}

export const LIMITS: Limits = { connections: 1000, ports: 1000, folders: 100 };

/** As the config file names them. */
const NAMES: Record<keyof Limits, string> = {
  connections: 'MaxConnections',
  ports: 'MaxPorts',
  folders: 'MaxFolders',
};

/** What to say to who would be one too many. */
export function tooMany(kind: keyof Limits, max: number): GatewayError {
  return new GatewayError(
    'TOO_MANY_REQUESTS',
    `no more ${kind}: the docker proxy has ${max} at once at most (${NAMES[kind]} in its config file)`,
  );
}
