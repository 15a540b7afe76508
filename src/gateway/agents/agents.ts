import { GatewayError } from '../../errors.ts';
import { hashSecret, isSecret, newHexSecret } from '../secrets.ts';
import type { Store } from '../store/store.ts';
import type { AgentRow } from '../store/tables.ts';

/** Agents of one gateway; more are refused with CONFLICT. */
const AGENTS_MAX = 10_000;

/** Which agents there are and with which keys. Their live connections are the hub's. */
export class Agents {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The key is in the answer and nowhere else. @throws GatewayError CONFLICT */
  async enroll(id: string, label: string): Promise<{ agent: AgentRow; key: string }> {
    if ((await this.#store.agents.countActive()) >= AGENTS_MAX)
      throw new GatewayError('CONFLICT', `this gateway has ${AGENTS_MAX} agents, as many as it may`);
    const key = newHexSecret();
    const added = await this.#store.agents.enroll({ id, label, key_hash: hashSecret(key) }, now());
    if (!added)
      throw new GatewayError('CONFLICT', `agent ${id} exists; rotate its key, or delete it and enroll it again`);
    return { agent: await this.get(id), key };
  }

  /** @throws GatewayError AGENT_NOT_FOUND, also for a revoked one. */
  async get(id: string): Promise<AgentRow> {
    const agent = await this.#store.agents.find(id);
    if (!agent || agent.revoked_at !== null) throw new GatewayError('AGENT_NOT_FOUND', `there is no agent ${id}`);
    return agent;
  }

  list(): Promise<AgentRow[]> {
    return this.#store.agents.list(AGENTS_MAX);
  }

  /** The old key ends with the answer. @throws GatewayError AGENT_NOT_FOUND */
  async rotateKey(id: string): Promise<string> {
    const key = newHexSecret();
    if (!(await this.#store.agents.setKey(id, hashSecret(key))))
      throw new GatewayError('AGENT_NOT_FOUND', `there is no agent ${id}`);
    return key;
  }

  /** @throws GatewayError AGENT_NOT_FOUND */
  async revoke(id: string): Promise<void> {
    if (!(await this.#store.agents.revoke(id, now())))
      throw new GatewayError('AGENT_NOT_FOUND', `there is no agent ${id}`);
  }

  /**
   * The agent, if the key is its key now. An unknown id and a wrong key look the same from outside.
   * @throws GatewayError UNAUTHENTICATED
   */
  async authenticate(id: string, key: string | undefined): Promise<AgentRow> {
    const agent = await this.#store.agents.find(id);
    if (!agent || agent.revoked_at !== null || key === undefined || !isSecret(key, agent.key_hash))
      throw new GatewayError(
        'UNAUTHENTICATED',
        'the agent id and its key (header X-Agent-API-Key) are not known here; was it enrolled, or its key rotated?',
      );
    return agent;
  }

  /** Notes that the agent was here; false when it was revoked or its key was changed since it authenticated. */
  async confirm({ id, key_hash }: AgentRow): Promise<boolean> {
    const agent = await this.#store.agents.find(id);
    return agent?.key_hash === key_hash && (await this.#store.agents.setSeen(id, now()));
  }
}

function now(): string {
  return new Date().toISOString();
}
