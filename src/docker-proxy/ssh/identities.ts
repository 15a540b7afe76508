import { readFile } from 'node:fs/promises';
import ssh2, { type AgentAuthMethod, type IdentityCallback, type ParsedKey, type PublicKeyAuthMethod } from 'ssh2';
import type { SshSettings } from './settings.ts';

export interface Identities {
  methods: (AgentAuthMethod | PublicKeyAuthMethod)[];
  /** Key files that are there and can't be used as they are, each with why. */
  unusable: string[];
}

/** What to log in with, the agent first: it alone has the keys with passphrases. */
export async function findIdentities(settings: SshSettings, agentSocket: string | undefined): Promise<Identities> {
  const username = settings.user;
  const keys: ParsedKey[] = [];
  const named: Buffer[] = [];
  const unusable: string[] = [];
  for (const file of settings.identityFiles) {
    const key = await readKey(file);
    const named1 = await readKey(`${file}.pub`);
    if (isKey(key)) keys.push(key);
    else if (key) unusable.push(`${file} (${key.message}; ssh-add gives it to the agent)`);
    for (const one of [key, named1]) if (isKey(one)) named.push(one.getPublicSSH());
  }
  const socket = settings.identityAgent ?? agentSocket;
  const hasAgent = socket !== undefined && socket !== 'none';
  const agents = hasAgent
    ? [settings.identitiesOnly ? new NamedAgent(socket, named) : new ssh2.OpenSSHAgent(socket)]
    : [];
  return {
    methods: [
      ...agents.map((agent) => ({ type: 'agent' as const, username, agent })),
      ...keys.map((key) => ({ type: 'publickey' as const, username, key })),
    ],
    unusable,
  };
}

/** IdentitiesOnly: of all that an agent has, what the configuration names. Servers cut off who offers too many. */
class NamedAgent extends ssh2.OpenSSHAgent {
  readonly #named: readonly Buffer[];

  constructor(socket: string, named: readonly Buffer[]) {
    super(socket);
    this.#named = named;
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    super.getIdentities((error, keys) => {
      const kept = (keys ?? []).filter(
        (key) => 'getPublicSSH' in key && this.#named.some((one) => one.equals(key.getPublicSSH())),
      );
      callback(error, kept);
    });
  }
}

/** @returns undefined when there is no such file */
async function readKey(file: string): Promise<ParsedKey | Error | undefined> {
  try {
    const parsed: ParsedKey | Error | ParsedKey[] = ssh2.utils.parseKey(await readFile(file));
    return Array.isArray(parsed) ? parsed[0] : parsed;
  } catch {
    // Not there, or not for us to read.
    return undefined;
  }
}

function isKey(key: ParsedKey | Error | undefined): key is ParsedKey {
  return key !== undefined && !(key instanceof Error);
}
